//! Several requests under way at once, and not too many.

use std::future::poll_fn;
use std::task::Poll;

/// How many requests are under way at once: enough to hide the latency, few enough for any
/// server's fairness limits.
const CONCURRENCY: usize = 4;

/// Runs the futures a few at a time; the results come in the order of the futures.
pub(super) async fn in_order<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting = futures.into_iter().enumerate();
    let mut running = Vec::new();
    let mut results = Vec::new();
    poll_fn(move |context| {
        loop {
            while running.len() < CONCURRENCY
                && let Some((at, future)) = waiting.next()
            {
                running.push((at, Box::pin(future)));
            }
            let before = running.len();
            running.retain_mut(|(at, future)| match future.as_mut().poll(context) {
                Poll::Ready(result) => {
                    results.push((*at, result));
                    false
                }
                Poll::Pending => true,
            });
            if running.len() == before && before > 0 {
                return Poll::Pending;
            }
            if before == 0 {
                results.sort_by_key(|(at, _)| *at);
                return Poll::Ready(results.drain(..).map(|(_, result)| result).collect());
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn results_keep_the_order_and_only_a_few_run_at_once() {
        let running = std::cell::Cell::new(0);
        let most = std::cell::Cell::new(0);
        let (running, most) = (&running, &most);
        let futures = (0..20_u64).map(|n| async move {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::time::sleep(Duration::from_millis(20 - n)).await;
            running.set(running.get() - 1);
            n
        });
        assert_eq!(in_order(futures).await, (0..20).collect::<Vec<_>>());
        assert_eq!(most.get(), CONCURRENCY);
        assert!(in_order(Vec::<std::future::Ready<()>>::new()).await.is_empty());
    }
}
