//! Writes Events: an object for what is said, and a count in that object where the same is said again soon.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::within;
use crate::collect::kube::describe;

/// Who says it.
const CONTROLLER: &str = "buildreach.dev/controller";

/// What is said of an object without a namespace stands in this one.
const NAMESPACE: &str = "default";

/// For how long the same is counted instead of written anew, from when it was said last.
const WINDOW: jiff::SignedDuration = jiff::SignedDuration::from_mins(6);

/// The most that is remembered of what was said; more is not counted, but written anew.
const MOST_KNOWN: usize = 4096;

/// The longest name and the longest instance that the API takes, in bytes.
const MOST_BYTES: (usize, usize) = (253, 128);

/// How often something is sent before it is given up, and the pause between.
const TRIES: (u32, Duration) = (3, Duration::from_secs(1));

/// Something to be said of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Saying {
    /// `Normal` or `Warning`.
    pub(super) type_: &'static str,
    /// Why.
    pub(super) reason: &'static str,
    /// What was done.
    pub(super) action: &'static str,
    /// In words; the API takes 1024 bytes.
    pub(super) note: String,
    /// What it is about.
    pub(super) regarding: ObjectReference,
    /// What else has to do with it.
    pub(super) related: Option<ObjectReference>,
}

/// What makes two sayings the same. The note counts: another rule that decides is other news.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    words: [String; 4],
    regarding: [Option<String>; 5],
    related: Option<[Option<String>; 5]>,
}

impl Key {
    fn of(saying: &Saying) -> Self {
        let words = [saying.type_, saying.reason, saying.action, &saying.note];
        let object = |object: &ObjectReference| {
            let ObjectReference { api_version, kind, namespace, name, uid, .. } = object.clone();
            [api_version, kind, namespace, name, uid]
        };
        Self {
            words: words.map(str::to_owned),
            regarding: object(&saying.regarding),
            related: saying.related.as_ref().map(object),
        }
    }
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    name: String,
    count: i32,
    last: jiff::Timestamp,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
enum Write {
    Create(Box<Event>),
    /// Name of the object, the count in it from now on, and the patch.
    Count(String, i32, Value),
}

/// Writes what is said in one name.
pub(super) struct Recorder {
    client: Client,
    memory: Memory,
}

impl Recorder {
    /// Of a process; without a name it is called as the controller.
    pub(super) fn new(client: Client, instance: Option<&str>) -> Self {
        Self { client, memory: Memory::new(instance) }
    }

    /// Says it.
    ///
    /// # Errors
    ///
    /// What the server says: after some tries, or at once where another try would not help.
    pub(super) async fn say(&mut self, saying: &Saying) -> Result<(), String> {
        let now = jiff::Timestamp::now();
        let mut write = self.memory.write(saying, now);
        let mut tries = 0;
        loop {
            tries += 1;
            let why = match within(self.send(&saying.regarding, &write)).await {
                Ok(Ok(())) => break,
                Ok(Err(kube::Error::Api(status))) => match (status.code, &write) {
                    // The answer to the try before was lost: nobody else gives that name.
                    (409, Write::Create(_)) if tries > 1 => break,
                    // Somebody deleted it.
                    (404, Write::Count(..)) => {
                        write = self.memory.create(saying, now);
                        tries = 0;
                        continue;
                    }
                    (429 | 500.., _) => status.message.clone(),
                    _ => return Err(status.message.clone()),
                },
                Ok(Err(error)) => describe(&error),
                Err(why) => why,
            };
            if tries >= TRIES.0 {
                return Err(why);
            }
            tokio::time::sleep(TRIES.1).await;
        }
        self.memory.keep(saying, &write, now);
        Ok(())
    }

    async fn send(&self, regarding: &ObjectReference, write: &Write) -> Result<(), kube::Error> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace(regarding));
        match write {
            Write::Create(event) => events.create(&PostParams::default(), event).await?,
            Write::Count(name, _, patch) => events.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?,
        };
        Ok(())
    }
}

fn namespace(regarding: &ObjectReference) -> &str {
    regarding.namespace.as_deref().unwrap_or(NAMESPACE)
}

/// What was said lately, and by whom.
#[derive(Debug)]
struct Memory {
    instance: String,
    known: BTreeMap<Key, Known>,
}

impl Memory {
    fn new(instance: Option<&str>) -> Self {
        let instance = instance.unwrap_or(CONTROLLER);
        let instance = instance[..instance.floor_char_boundary(MOST_BYTES.1)].to_owned();
        Self { instance, known: BTreeMap::new() }
    }

    /// What says it: one more of what was said within the window, or else an object.
    fn write(&mut self, saying: &Saying, now: jiff::Timestamp) -> Write {
        self.known.retain(|_, known| now.duration_since(known.last) < WINDOW);
        let Some(known) = self.known.get(&Key::of(saying)) else { return self.create(saying, now) };
        // The whole number, not one more: it may be sent twice.
        let count = known.count.saturating_add(1);
        let patch = json!({"series": {"count": count, "lastObservedTime": MicroTime(now)}});
        Write::Count(known.name.clone(), count, patch)
    }

    fn create(&self, saying: &Saying, now: jiff::Timestamp) -> Write {
        Write::Create(Box::new(Event {
            metadata: ObjectMeta {
                name: Some(name(saying.regarding.name.as_deref().unwrap_or("buildreach"), now)),
                namespace: Some(namespace(&saying.regarding).to_owned()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(saying.type_.to_owned()),
            reason: Some(saying.reason.to_owned()),
            action: Some(saying.action.to_owned()),
            note: Some(saying.note.clone()),
            regarding: Some(saying.regarding.clone()),
            related: saying.related.clone(),
            ..Event::default()
        }))
    }

    /// It was said.
    fn keep(&mut self, saying: &Saying, write: &Write, now: jiff::Timestamp) {
        let (name, count) = match write {
            Write::Create(event) => (event.metadata.name.clone().unwrap_or_default(), 1),
            Write::Count(name, count, _) => (name.clone(), *count),
        };
        self.known.insert(Key::of(saying), Known { name, count, last: now });
        if self.known.len() > MOST_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.last).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.known.remove(&key));
        }
    }
}

/// A name that nothing else has: what it is about, as far as there is room, and the instant.
fn name(regarding: &str, now: jiff::Timestamp) -> String {
    let instant = format!("{:x}", now.as_nanosecond());
    let room = MOST_BYTES.0 - 1 - instant.len();
    // Each part of a name ends with a letter or a digit.
    let about = regarding[..regarding.floor_char_boundary(room)].trim_end_matches(['-', '.']);
    format!("{about}.{instant}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn saying(name: &str, note: &str) -> Saying {
        let regarding = ObjectReference {
            kind: Some("Deployment".to_owned()),
            name: Some(name.to_owned()),
            namespace: Some("tools".to_owned()),
            ..ObjectReference::default()
        };
        Saying {
            type_: "Warning",
            reason: "EndpointsBlocked",
            action: "Evaluate",
            note: note.to_owned(),
            regarding,
            related: None,
        }
    }

    /// The name that is written to, and which count, with an object where it is a new one.
    fn say(memory: &mut Memory, saying: &Saying, second: i64) -> (String, i32, Option<Event>) {
        let write = memory.write(saying, at(second));
        memory.keep(saying, &write, at(second));
        match write {
            Write::Create(event) => (event.metadata.name.clone().unwrap(), 1, Some(*event)),
            Write::Count(name, count, patch) => {
                assert_eq!(patch["series"]["count"], count);
                let last = patch["series"]["lastObservedTime"].as_str().unwrap();
                assert_eq!(last.parse::<jiff::Timestamp>().unwrap(), at(second));
                (name, count, None)
            }
        }
    }

    #[test]
    fn the_same_is_counted_and_anything_else_is_not() {
        let mut memory = Memory::new(Some("one"));
        let (name, _, event) = say(&mut memory, &saying("x", "by a"), 0);
        let event = event.unwrap();
        assert!(name.starts_with("x."), "{name}");
        assert_eq!(event.series, None);
        assert_eq!(event.event_time.unwrap().0, at(0));
        assert_eq!(event.metadata.namespace.as_deref(), Some("tools"));
        assert_eq!(event.reporting_controller.as_deref(), Some("buildreach.dev/controller"));
        assert_eq!(event.reporting_instance.as_deref(), Some("one"));
        assert_eq!(event.note.as_deref(), Some("by a"));
        // The window begins anew each time.
        for (count, second) in [(2, 200), (3, 500), (4, 800)] {
            assert_eq!(say(&mut memory, &saying("x", "by a"), second), (name.clone(), count, None));
        }
        for (n, other) in [saying("x", "by b"), saying("y", "by a")].into_iter().enumerate() {
            let (other, count, event) = say(&mut memory, &other, 801 + i64::try_from(n).unwrap());
            assert!(other != name && count == 1 && event.is_some(), "{other}");
        }
        let mut related = saying("x", "by a");
        related.related = Some(related.regarding.clone());
        assert!(say(&mut memory, &related, 803).2.is_some());
        let (later, count, event) = say(&mut memory, &saying("x", "by a"), 800 + 360);
        assert!(later != name && count == 1 && event.is_some(), "{later}");
    }

    #[test]
    fn what_has_no_namespace_is_told_in_the_default_one() {
        let mut memory = Memory::new(None);
        let mut of_cluster = saying("default", "");
        of_cluster.regarding.namespace = None;
        let event = say(&mut memory, &of_cluster, 0).2.unwrap();
        assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
        assert_eq!(event.regarding.unwrap().namespace, None);
        assert_eq!(event.reporting_instance.as_deref(), Some("buildreach.dev/controller"));
    }

    #[test]
    fn memory_and_names_are_bounded() {
        let mut memory = Memory::new(Some(&"i".repeat(300)));
        assert_eq!(memory.instance.len(), 128);
        let (first, second) = (saying("x", "0"), saying("x", "1"));
        say(&mut memory, &first, 0);
        say(&mut memory, &second, 1);
        for n in 2..=MOST_KNOWN {
            say(&mut memory, &saying("x", &n.to_string()), 2);
        }
        assert_eq!(memory.known.len(), MOST_KNOWN);
        assert!(!memory.known.contains_key(&Key::of(&first)) && memory.known.contains_key(&Key::of(&second)));

        assert!(name(&"x".repeat(253), at(0)).len() == 253);
        let cut = name(&format!("{}-.{}", "x".repeat(234), "y".repeat(17)), at(0));
        assert!(cut.len() <= 253 && cut.starts_with(&format!("{}.", "x".repeat(234))), "{cut}");
        assert_ne!(name("x", at(0)), name("x", at(0) + jiff::SignedDuration::from_nanos(1)));
    }
}
