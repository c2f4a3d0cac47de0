//! Two threads that decode batches while a third one reads on; what they find is merged in order.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::super::decode::{Decoder, Gvk};
use super::super::facts::Facts;
use super::super::scratch::Shared;
use super::walk::{Sink, Walker};
use super::window::{self, Batch, Late};
use super::{Page, Stop, WhenKindIsLate};
use crate::model::object::Origin;

/// How many threads decode.
const WORKERS: usize = 2;

/// How many batches wait for them at most; with the chunk size of a window this bounds the memory.
const QUEUE: usize = 4;

/// Something to decode.
enum Work {
    Batch(Batch),
    Object { text: Vec<u8>, origin: Origin, default: Option<(String, String)> },
}

/// What became of it.
struct Done {
    number: u64,
    facts: Facts,
    late: Vec<Late>,
    is_late: bool,
    buffer: Vec<u8>,
}

/// Decodes an input of any size with threads of its own. The facts are the same, in the same order, as of
/// [`super::decode_inline`]. `size` is that of the input, if it is known.
pub(crate) fn decode_threaded(
    input: impl Read,
    size: Option<u64>,
    source: u32,
    facts: &mut Facts,
    default_kind: Option<Gvk<'_>>,
    late: WhenKindIsLate,
) -> Result<Page, Stop> {
    std::thread::scope(|scope| {
        let (work, queue) = sync_channel::<(u64, Work)>(QUEUE);
        let (done, results) = channel();
        let queue = std::sync::Arc::new(Mutex::new(queue));
        let shared = Shared::for_input(size);
        for _ in 0..WORKERS {
            let (queue, done, decoder) = (queue.clone(), done.clone(), Decoder::sharing(shared.clone()));
            scope.spawn(move || decode(decoder, &queue, &done));
        }
        drop(done);
        let sink = Threads {
            work,
            results,
            size,
            sent: 0,
            merged: 0,
            waiting: BTreeMap::new(),
            facts,
            late: Vec::new(),
            is_late: false,
        };
        let mut walker = Walker::new(input, source, 1, default_kind, late, sink);
        let result = walker.run();
        walker.sink.wait();
        if walker.sink.is_late && late == WhenKindIsLate::Reread {
            return Err(Stop::KindIsLate);
        }
        result
    })
}

/// The work of one thread.
fn decode(mut decoder: Decoder, queue: &Mutex<Receiver<(u64, Work)>>, done: &Sender<Done>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, work)) = next else { return };
        let mut facts = Facts::default();
        let (is_late, buffer) = match work {
            Work::Batch(batch) => (batch.decode(&mut decoder, &mut facts), batch.into_buffer()),
            Work::Object { text, origin, default } => {
                let default = default.as_ref().map(|(api_version, kind)| (api_version.as_str(), kind.as_str()));
                window::decode_bytes(&text, origin, default, &mut decoder, &mut facts);
                (false, text)
            }
        };
        let late = std::mem::take(&mut decoder.late);
        if done.send(Done { number, facts, late, is_late, buffer }).is_err() {
            return;
        }
    }
}

struct Threads<'f> {
    work: SyncSender<(u64, Work)>,
    results: Receiver<Done>,
    size: Option<u64>,
    sent: u64,
    merged: u64,
    /// Results that came before an earlier one.
    waiting: BTreeMap<u64, Done>,
    facts: &'f mut Facts,
    late: Vec<Late>,
    is_late: bool,
}

impl Threads<'_> {
    fn send(&mut self, work: Work) -> Vec<u8> {
        // The workers only end when this sender is gone.
        let _ = self.work.send((self.sent, work));
        self.sent += 1;
        let mut spare = Vec::new();
        while let Ok(done) = self.results.try_recv() {
            spare = self.take(done);
        }
        spare
    }

    /// Merges a result, or keeps it until its turn comes.
    fn take(&mut self, mut done: Done) -> Vec<u8> {
        let buffer = std::mem::take(&mut done.buffer);
        self.waiting.insert(done.number, done);
        while let Some(next) = self.waiting.remove(&self.merged) {
            if let Some(size) = self.size.filter(|_| !next.facts.pods.is_empty()) {
                // Room for all of them at once: a vector that grows leaves holes as large as itself. What is
                // reserved and not used takes no memory.
                self.size = None;
                let each = (buffer.len() / next.facts.pods.len()).max(64) as u64;
                self.facts.pods.reserve(usize::try_from(size / each + 1024).unwrap_or(0));
            }
            self.facts.append(next.facts);
            self.late.extend(next.late);
            self.is_late |= next.is_late;
            self.merged += 1;
        }
        buffer
    }

    /// Waits until everything that was sent is merged.
    fn wait(&mut self) {
        while self.merged < self.sent {
            match self.results.recv() {
                Ok(done) => drop(self.take(done)),
                Err(_) => return,
            }
        }
    }
}

impl Sink for Threads<'_> {
    fn batch(&mut self, batch: Batch) -> Vec<u8> {
        self.send(Work::Batch(batch))
    }

    fn object(&mut self, text: &[u8], origin: Origin, default: Option<Gvk<'_>>) {
        let default = default.map(|(api_version, kind)| (api_version.to_owned(), kind.to_owned()));
        self.send(Work::Object { text: text.to_vec(), origin, default });
    }

    fn take_late(&mut self) -> Vec<Late> {
        self.wait();
        std::mem::take(&mut self.late)
    }
}
