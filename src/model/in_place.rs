//! Long lists that are brought up to date where they are: a second one beside them would be felt.

/// Takes out the items at some places, which are in order.
pub fn remove<T>(list: &mut Vec<T>, gone: impl IntoIterator<Item = usize>) {
    let (mut at, mut gone) = (0, gone.into_iter().peekable());
    if gone.peek().is_none() {
        return;
    }
    list.retain(|_| {
        at += 1;
        gone.next_if_eq(&(at - 1)).is_none()
    });
}

/// Puts items in, each at the place that it has when all are there. The places are in order, and leave no gap.
pub fn insert<T: Default>(list: &mut Vec<T>, mut items: Vec<(usize, T)>) {
    let mut end = list.len();
    // Twice the room, as a list that grows takes it, would be felt, and so would a new list each time.
    if list.capacity() - end < items.len() {
        list.reserve_exact(items.len() + end / 32);
    }
    list.resize_with(end + items.len(), T::default);
    for at in (0..list.len()).rev() {
        match items.pop_if(|(to, _)| *to == at) {
            Some((_, item)) => list[at] = item,
            None if items.is_empty() => break,
            None => {
                end -= 1;
                list.swap(at, end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn items_come_and_go(before in prop::collection::btree_set(any::<u8>(), 0..40), now in prop::collection::btree_set(any::<u8>(), 0..40)) {
            let list = |set: &BTreeSet<u8>| set.iter().map(|item| format!("{item:03}")).collect::<Vec<_>>();
            let (mut known, now) = (list(&before), list(&now));
            let gone: Vec<usize> = (0..known.len()).filter(|at| !now.contains(&known[*at])).collect();
            let new = now.iter().cloned().enumerate().filter(|(_, item)| !known.contains(item)).collect();
            remove(&mut known, gone);
            insert(&mut known, new);
            prop_assert_eq!(known, now);
        }
    }
}
