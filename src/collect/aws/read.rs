//! One document: from its JSON to the objects that it holds, each read alone.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::facts::Facts;
use super::super::lines::Lines;
use super::super::place;
use super::super::raw::Text;
use super::items::{self, Item, VisitMut};
use super::keys::{self, Key};
use super::meta::Meta;
use crate::model::aws::{AwsList, AwsScope, FirewallDomains, PrefixListEntries, PrefixListEntry};
use crate::model::object::Origin;
use crate::model::{CoverageState, Problem, ProblemClass, Str};

/// What one document gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    /// Where it was read.
    pub(crate) origin: Origin,
    /// Its objects and how its lists were read; account and region are told by the file's name.
    pub(crate) scope: AwsScope,
    /// It says that its lists go on in another document.
    pub(crate) goes_on: bool,
    /// It is what a saved scope says about itself.
    pub(crate) meta: Option<Meta>,
}

/// Where the objects of a document are said to have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// In this document.
    Here,
    /// Where they say themselves: a saved snapshot.
    Written,
}

/// Reads a document of AWS and adds what it says to `facts`; `false` if it is none.
///
/// `text` is valid JSON, and `keys` are those at its top.
pub(crate) fn read(
    text: &str,
    keys: &[String],
    origin: Origin,
    lines: &Lines<'_>,
    origins: Origins,
    facts: &mut Facts,
) -> bool {
    if let Some(kind) = single(keys) {
        count(facts, kind);
        return true;
    }
    if is_group(keys) {
        let document = Document { origin, ..Document::default() };
        let mut reader = Reader { document, lines, origins, facts, is_aws: true };
        reader.elements(AwsList::SecurityGroups, &[text]);
        // Picked out of its list (`--query`), it does not say what else there is.
        let Reader { mut document, .. } = reader;
        document.scope.read.retain(|_, state| *state != CoverageState::Read);
        facts.aws.push(document);
        return true;
    }
    if !keys.iter().any(|key| keys::of(key).is_some()) {
        return false;
    }
    let Some(fields) = fields(text) else { return false };
    let document = Document { origin, ..Document::default() };
    let mut reader = Reader { document, lines, origins, facts, is_aws: false };
    reader.fields(text, &fields);
    let Reader { document, is_aws, .. } = reader;
    if !document.scope.read.is_empty() {
        facts.aws.push(document);
    }
    is_aws
}

/// Records that a document breaks off before it can be read: what its list holds is not known.
pub(crate) fn broken(text: &str, origin: Origin, why: &str, facts: &mut Facts) {
    if let Some(list) = keys::begun(text) {
        let mut document = Document { origin, ..Document::default() };
        document.scope.read.insert(list, CoverageState::Failed(why.to_owned()));
        facts.aws.push(document);
    }
}

/// Reads what a saved scope says about itself; `false` if it is not readable.
pub(crate) fn read_meta(text: &str, origin: Origin, facts: &mut Facts) -> bool {
    let meta = Meta::parse(text);
    let is_read = meta.is_some();
    facts.aws.push(Document { origin, meta, ..Document::default() });
    is_read
}

/// A document about one thing that says nothing alone.
fn single(keys: &[String]) -> Option<&'static str> {
    const SINGLE: &[(&[&str], &str)] = &[
        (&["DestinationPrefixListId", "GatewayId"], "Route"),
        (&["DestinationCidrBlock", "Origin"], "Route"),
        (&["TargetGroupArn", "Type"], "TargetGroup"),
    ];
    let has = |key: &&str| keys.iter().any(|known| known == key);
    SINGLE.iter().find(|(keys, _)| keys.iter().all(has)).map(|(_, kind)| *kind)
}

/// A security group by itself.
fn is_group(keys: &[String]) -> bool {
    let has = |key: &str| keys.iter().any(|known| known == key);
    has("GroupId") && (has("IpPermissions") || has("IpPermissionsEgress"))
}

fn count(facts: &mut Facts, kind: &str) {
    *facts.ignored_kinds.entry(Str::from(kind)).or_default() += 1;
}

struct Reader<'r> {
    document: Document,
    lines: &'r Lines<'r>,
    origins: Origins,
    facts: &'r mut Facts,
    is_aws: bool,
}

impl Reader<'_> {
    fn fields(&mut self, text: &str, fields: &[(String, &RawValue)]) {
        let field = |wanted: &str| fields.iter().find(|(key, _)| key == wanted).map(|(_, value)| *value);
        let is_collection = field("provider").is_some_and(|provider| provider.get() == "\"aws\"");
        for (key, value) in fields {
            // `null`: the collector did not say, which is no empty list.
            if value.get() == "null" {
                continue;
            }
            match keys::of(key) {
                Some(Key::List(list)) if !keys::is_lower(key) || is_collection || holds(list, value) => {
                    self.list(list, value);
                }
                Some(Key::Reservations) => self.reservations(value),
                Some(Key::Entries) => self.entries(value, field("PrefixListId"), field("ReadFrom")),
                Some(Key::Domains) => self.domains(value, field("FirewallDomainListId"), field("ReadFrom")),
                Some(Key::Attribute) if field("VpcId").is_some() => {
                    self.is_aws = true;
                    if !self.document.scope.read.contains_key(&AwsList::VpcAttributes) {
                        self.elements(AwsList::VpcAttributes, &[text]);
                    }
                }
                Some(Key::NextToken) => self.document.goes_on |= value.get().len() > 2, // more than `""`
                Some(Key::Ignored) => {
                    self.is_aws = true;
                    count(self.facts, key);
                }
                // Others have such keys too.
                None | Some(Key::List(_) | Key::Attribute) => {}
            }
        }
    }

    fn list(&mut self, list: AwsList, value: &RawValue) {
        self.is_aws = true;
        let text = value.get();
        if list == AwsList::BlockPublicAccessOptions && text.starts_with('{') {
            return self.elements(list, &[text]);
        }
        match elements(text) {
            Ok(elements) => self.elements(list, &elements),
            Err(why) => self.wrong(list, None, text, &why, 0),
        }
    }

    /// The instances of all reservations.
    fn reservations(&mut self, value: &RawValue) {
        #[derive(serde::Deserialize)]
        struct Reservation<'a> {
            #[serde(rename = "Instances", borrow)]
            instances: Option<Vec<&'a RawValue>>,
        }
        self.is_aws = true;
        let reservations = match elements(value.get()) {
            Ok(reservations) => reservations,
            Err(why) => return self.wrong(AwsList::Instances, None, value.get(), &why, 0),
        };
        self.elements(AwsList::Instances, &[]);
        for text in reservations {
            match serde_json::from_str::<Reservation<'_>>(text) {
                Ok(reservation) => {
                    let instances = reservation.instances.unwrap_or_default();
                    let instances: Vec<_> = instances.into_iter().map(RawValue::get).collect();
                    self.elements(AwsList::Instances, &instances);
                }
                Err(error) => {
                    self.wrong(AwsList::Instances, None, text, &place::message("", text, &error), error.line());
                }
            }
        }
    }

    /// The entries of one prefix list. With one of them unread, none of them is told.
    fn entries(&mut self, value: &RawValue, id: Option<&RawValue>, read_from: Option<&RawValue>) {
        let list = AwsList::PrefixListEntries;
        let elements = elements(value.get()).unwrap_or_default();
        if id.is_none() && !elements.is_empty() && !elements.iter().any(|text| text.contains("\"Cidr\"")) {
            return; // of something else
        }
        self.is_aws = true;
        let mut entries = Vec::with_capacity(elements.len());
        for text in elements {
            match serde_json::from_str::<PrefixListEntry>(text) {
                Ok(entry) if !entry.cidr.is_empty() => entries.push(entry),
                Ok(_) => return self.wrong(list, None, text, "it has no `Cidr`", 0),
                Err(error) => return self.wrong(list, None, text, &place::message("", text, &error), error.line()),
            }
        }
        let id = id.and_then(|id| serde_json::from_str::<Str>(id.get()).ok()).unwrap_or_default();
        let origin = match self.origins {
            Origins::Here => self.document.origin,
            Origins::Written => read_from.and_then(|from| serde_json::from_str(from.get()).ok()).unwrap_or_default(),
        };
        self.document.scope.read.entry(list).or_insert(CoverageState::Read);
        self.document.scope.prefix_list_entries.push(PrefixListEntries { prefix_list_id: id, entries, origin });
    }

    /// The domains of one domain list of DNS Firewall.
    fn domains(&mut self, value: &RawValue, id: Option<&RawValue>, read_from: Option<&RawValue>) {
        let Ok(domains) = serde_json::from_str::<Vec<Str>>(value.get()) else { return }; // of something else
        self.is_aws = true;
        let id = id.and_then(|id| serde_json::from_str::<Str>(id.get()).ok()).unwrap_or_default();
        let origin = match self.origins {
            Origins::Here => self.document.origin,
            Origins::Written => read_from.and_then(|from| serde_json::from_str(from.get()).ok()).unwrap_or_default(),
        };
        self.document.scope.read.entry(AwsList::FirewallDomains).or_insert(CoverageState::Read);
        self.document.scope.firewall_domains.push(FirewallDomains { firewall_domain_list_id: id, domains, origin });
    }

    /// Objects of a list: those that can be read, and the problems of the others.
    fn elements(&mut self, list: AwsList, texts: &[&str]) {
        self.document.scope.read.entry(list).or_insert(CoverageState::Read);
        let Origin { source, .. } = self.document.origin;
        let mut decoding =
            Decoding { wanted: list, texts, lines: self.lines, source, origins: self.origins, wrong: Vec::new() };
        items::each_mut(&mut self.document.scope, &mut decoding);
        for Wrong { text, id, message, line } in decoding.wrong {
            self.wrong(list, id, text, &message, line);
        }
    }

    /// Records that a part of a list cannot be read. `line`: of the error, from the first line of `text`; 0 for that.
    fn wrong(&mut self, list: AwsList, id: Option<String>, text: &str, message: &str, line: usize) {
        let first = self.lines.of(text);
        let below = u32::try_from(line.saturating_sub(1)).unwrap_or(0);
        self.facts.problem(Problem {
            class: ProblemClass::Unreadable,
            message: message.to_owned(),
            source: self.document.origin.source,
            line: if first == 0 { 0 } else { first + below },
            kind: Some(list.key().into()),
            namespace: None,
            name: id.as_deref().map(Str::from),
            count: 1,
        });
        let why = id.map_or_else(|| message.to_owned(), |id| format!("{id}: {message}"));
        let state = self.document.scope.read.entry(list).or_insert(CoverageState::Read);
        if *state == CoverageState::Read {
            *state = CoverageState::Failed(why);
        }
    }
}

/// Decodes the elements of one list.
struct Decoding<'t> {
    wanted: AwsList,
    texts: &'t [&'t str],
    lines: &'t Lines<'t>,
    source: u32,
    origins: Origins,
    wrong: Vec<Wrong<'t>>,
}

/// An element that cannot be read.
struct Wrong<'t> {
    text: &'t str,
    id: Option<String>,
    message: String,
    line: usize,
}

impl VisitMut for Decoding<'_> {
    fn list<T: Item>(&mut self, list: AwsList, items: &mut Vec<T>) {
        if list != self.wanted {
            return;
        }
        items.reserve(self.texts.len());
        for text in self.texts {
            match serde_json::from_str::<T>(text) {
                Ok(item) if !T::ID.is_empty() && item.id().is_empty() => {
                    let message = format!("it has no `{}`", T::ID);
                    self.wrong.push(Wrong { text, id: None, message, line: 0 });
                }
                Ok(mut item) => {
                    if self.origins == Origins::Here {
                        *item.origin() = Origin { source: self.source, line: self.lines.of(text) };
                        item.place_parts(text, self.lines);
                    }
                    items.push(item);
                }
                Err(error) => {
                    let message = place::message("", text, &error);
                    self.wrong.push(Wrong { text, id: id_of(text, T::ID), message, line: error.line() });
                }
            }
        }
    }
}

/// The id of an element that cannot be read otherwise.
fn id_of(text: &str, field: &str) -> Option<String> {
    let fields = fields(text)?;
    let (_, id) = fields.iter().find(|(key, _)| key == field)?;
    serde_json::from_str(id.get()).ok()
}

/// Whether a list's first element is of the kind that the list's key says.
fn holds(list: AwsList, value: &RawValue) -> bool {
    struct FirstIs<'t> {
        wanted: AwsList,
        text: &'t str,
        is: bool,
    }
    impl VisitMut for FirstIs<'_> {
        fn list<T: Item>(&mut self, list: AwsList, _: &mut Vec<T>) {
            self.is |= list == self.wanted && id_of(self.text, T::ID).is_some();
        }
    }
    let Some(text) = elements(value.get()).ok().and_then(|elements| elements.first().copied()) else { return false };
    let mut first = FirstIs { wanted: list, text, is: false };
    items::each_mut(&mut AwsScope::default(), &mut first);
    first.is
}

/// The texts of the elements of a list.
fn elements(text: &str) -> Result<Vec<&str>, String> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| place::message("", text, &error))?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// The fields of an object, in their order; `None` if it is none.
pub(crate) fn fields(text: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                fields.push((key.0.into_owned(), value));
            }
            Ok(fields)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Fields).ok()
}
