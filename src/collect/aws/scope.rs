//! From documents to scopes: which account and region a file is about, and what its lists are together.

use std::collections::{BTreeMap, HashMap};

use super::items::{self, Item, VisitMut};
use super::meta::Meta;
use super::read::Document;
use super::save::folder_of;
use crate::model::aws::{AwsList, AwsScope};
use crate::model::object::Origin;
use crate::model::{Coverage, CoverageState, Problem, ProblemClass, Str};

/// What all documents say together.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    /// In order of account and region.
    pub(crate) scopes: Vec<AwsScope>,
    pub(crate) problems: Vec<Problem>,
}

/// Puts documents together, which are in the order in which they were read. `name_of` gives the name of a source.
pub(crate) fn merge<'s>(documents: Vec<Document>, name_of: impl Fn(u32) -> &'s str) -> Merged {
    let mut merged = Merged::default();
    let metas: HashMap<&str, Meta> = documents
        .iter()
        .filter_map(|document| Some((folder_of(name_of(document.origin.source)), document.meta.clone()?)))
        .collect();
    let has_firewall = documents.iter().any(|document| !document.scope.firewall_rules.is_empty());
    let mut scopes: BTreeMap<(Str, Str), Parts> = BTreeMap::new();
    for mut document in documents {
        let name = name_of(document.origin.source);
        name_entries(&mut document, name, &mut merged.problems);
        if !name_domains(&mut document, name, has_firewall, &mut merged.problems) {
            continue;
        }
        let meta = metas.get(folder_of(name));
        let key = meta.map_or_else(
            || {
                let (account, region) = place(name);
                (account.into(), region.into())
            },
            |meta| (meta.account.clone(), meta.region.clone()),
        );
        scopes.entry(key).or_default().add(document, meta);
    }
    for ((account, region), parts) in scopes {
        let mut scope = parts.finish();
        (scope.account, scope.region) = (account, region);
        settle(&mut scope, &mut merged.problems);
        merged.scopes.push(scope);
    }
    merged
}

/// Sorts the objects of a scope, and of those with one id keeps the last.
pub(crate) fn settle(scope: &mut AwsScope, problems: &mut Vec<Problem>) {
    items::each_mut(scope, &mut Settle { problems });
}

/// How completely the lists of a scope were read, as a report shows it.
pub(crate) fn coverage(scope: &AwsScope) -> impl Iterator<Item = Coverage> + '_ {
    let source = match scope.name() {
        name if name == "aws" => Str::from("aws"),
        name => Str::from(format!("aws {name}")),
    };
    let of = move |(list, state): (&AwsList, &CoverageState)| Coverage {
        source: source.clone(),
        kind: list.key().into(),
        namespace: None,
        state: state.clone(),
    };
    scope.read.iter().map(of)
}

/// Account and region that the folders of a file name; empty where they name none.
///
/// A region's folder is called as the region is. The account's is its twelve digits, or what lies between a folder
/// `aws` and that of the region.
pub(crate) fn place(name: &str) -> (&str, &str) {
    let mut folders: Vec<&str> = name.split(['/', '\\']).collect();
    folders.pop();
    let region = folders.iter().rposition(|folder| is_region(folder));
    let account = folders.iter().rev().find(|folder| is_account(folder)).copied();
    let between = || match region.and_then(|region| folders.get(region.checked_sub(2)?..region)) {
        Some(["aws", account]) if *account != "unknown" => *account,
        _ => "",
    };
    (account.unwrap_or_else(between), region.map_or("", |region| folders[region]))
}

/// Whether a folder is called as a region is: `us-east-1`, `us-gov-west-1`.
fn is_region(folder: &str) -> bool {
    let mut parts = folder.split('-').rev();
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let number = parts.next().is_some_and(|part| part.len() == 1 && part.as_bytes()[0].is_ascii_digit());
    let words: Vec<_> = parts.collect();
    number && words.len() >= 2 && words.iter().all(|part| is_word(part)) && words.last().is_some_and(|p| p.len() == 2)
}

fn is_account(folder: &str) -> bool {
    folder.len() == 12 && folder.bytes().all(|b| b.is_ascii_digit())
}

/// The documents of one scope, put together.
#[derive(Default)]
struct Parts {
    scope: AwsScope,
    /// By list: how many documents say that it goes on, and whether one does not.
    pages: BTreeMap<AwsList, (bool, bool)>,
}

impl Parts {
    /// Adds a document; `meta` is what its folder says.
    fn add(&mut self, document: Document, meta: Option<&Meta>) {
        let Document { mut scope, goes_on, meta: own, .. } = document;
        for (list, state) in std::mem::take(&mut scope.read) {
            let (some_go_on, some_end) = self.pages.entry(list).or_default();
            *some_go_on |= goes_on;
            *some_end |= !goes_on;
            if let Some(state) = meta.map_or(Some(state.clone()), |meta| meta.correct(list, state)) {
                self.state(list, state);
            }
        }
        for (list, state) in own.iter().flat_map(Meta::told) {
            self.state(list, state.clone());
        }
        items::append(&mut self.scope, scope);
    }

    /// A list is read if all that is known of it is.
    fn state(&mut self, list: AwsList, state: CoverageState) {
        let known = self.scope.read.entry(list).or_insert_with(|| state.clone());
        if *known == CoverageState::Read {
            *known = state;
        }
    }

    fn finish(mut self) -> AwsScope {
        for (list, pages) in self.pages {
            if pages == (true, false)
                && let Some(state @ CoverageState::Read) = self.scope.read.get_mut(&list)
            {
                *state =
                    CoverageState::Failed("it says that it goes on (`NextToken`), and its end is not there".into());
            }
        }
        self.scope
    }
}

/// Gives the entries of a prefix list their id, which only the file's name holds.
fn name_entries(document: &mut Document, name: &str, problems: &mut Vec<Problem>) {
    let Origin { source, line } = document.origin;
    document.scope.prefix_list_entries.retain_mut(|entries| {
        if entries.prefix_list_id.is_empty() {
            entries.prefix_list_id = prefix_list_of(name).into();
        }
        if entries.prefix_list_id.is_empty() {
            problems.push(Problem {
                class: ProblemClass::Unreadable,
                message: "nobody says whose entries these are: name the file after the prefix list, \
                          `ec2-get-managed-prefix-list-entries.pl-….json`"
                    .to_owned(),
                source,
                line,
                kind: Some(AwsList::PrefixListEntries.key().into()),
                namespace: None,
                name: None,
                count: 1,
            });
        }
        !entries.prefix_list_id.is_empty()
    });
}

/// Gives the domains of a domain list their id, which only the file's name holds. Others have lists of this name, too:
/// without an id, and without rules that would speak of it, the document is none of AWS, and `false` comes back.
fn name_domains(document: &mut Document, name: &str, has_firewall: bool, problems: &mut Vec<Problem>) -> bool {
    let Origin { source, line } = document.origin;
    let scope = &mut document.scope;
    for domains in &mut scope.firewall_domains {
        if domains.firewall_domain_list_id.is_empty() {
            domains.firewall_domain_list_id = domain_list_of(name).into();
        }
    }
    let before = scope.firewall_domains.len();
    scope.firewall_domains.retain(|domains| !domains.firewall_domain_list_id.is_empty());
    if scope.firewall_domains.len() == before {
        return true;
    }
    if has_firewall {
        problems.push(Problem {
            class: ProblemClass::Unreadable,
            message: "nobody says whose domains these are: name the file after the domain list, \
                      `route53resolver-list-firewall-domains.rslvr-fdl-….json`"
                .to_owned(),
            source,
            line,
            kind: Some(AwsList::FirewallDomains.key().into()),
            namespace: None,
            name: None,
            count: 1,
        });
        return true;
    }
    scope.read.remove(&AwsList::FirewallDomains);
    !scope.read.is_empty() || document.meta.is_some()
}

/// The domain list that a file is named after; empty if it is named after none.
fn domain_list_of(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let Some(at) = file.find("rslvr-fdl-") else { return "" };
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let end = file[at..].find(|c| !is_part(c)).map_or(file.len(), |length| at + length);
    &file[at..end]
}

/// The prefix list that a file is named after; empty if it is named after none.
fn prefix_list_of(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if let Some((_, rest)) = file.split_once("entries.")
        && let Some((id, _)) = rest.rsplit_once('.')
        && !id.is_empty()
    {
        return id;
    }
    for (at, _) in file.match_indices("pl-") {
        let is_begin = !file[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let digits = file[at + 3..].bytes().take_while(u8::is_ascii_hexdigit).count();
        if is_begin && digits > 0 {
            return &file[at..at + 3 + digits];
        }
    }
    ""
}

struct Settle<'p> {
    problems: &'p mut Vec<Problem>,
}

impl VisitMut for Settle<'_> {
    fn list<T: Item>(&mut self, list: AwsList, items: &mut Vec<T>) {
        items.sort_by(|a, b| a.id().cmp(&b.id()));
        let Self { problems } = self;
        // The earlier one of a pair is what `kept` becomes, so the last one has to move there.
        items.dedup_by(|later, kept| {
            if later.id() != kept.id() {
                return false;
            }
            let (mut a, mut b) = (later.clone(), kept.clone());
            a.displace();
            b.displace();
            if a != b {
                std::mem::swap(later, kept);
                let Origin { source, line } = *kept.origin();
                problems.push(Problem {
                    class: ProblemClass::Duplicate,
                    message: "it is there more than once, and differs; the last one counts".to_owned(),
                    source,
                    line,
                    kind: Some(list.key().into()),
                    namespace: None,
                    name: Some(kept.id().as_ref().into()),
                    count: 1,
                });
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_tell_account_and_region() {
        for (name, expected) in [
            ("aws/123456789012/eu-west-1/Vpcs.json", ("123456789012", "eu-west-1")),
            ("x/aws/111/us-gov-west-1/Vpcs.json", ("111", "us-gov-west-1")),
            ("x/aws/unknown/us-east-1/Vpcs.json", ("", "us-east-1")),
            ("aws/123456789012/unknown/Vpcs.json", ("123456789012", "")),
            ("eu-north-1/Vpcs.json", ("", "eu-north-1")),
            ("prod/eu-north-1/a/Vpcs.json", ("", "eu-north-1")),
            ("C:\\aws\\222\\us-iso-east-1\\Vpcs.json", ("222", "us-iso-east-1")),
            ("us-east-1", ("", "")),
            ("us-east-1a/Vpcs.json", ("", "")),
            ("east-1/x.json", ("", "")),
            ("stdin", ("", "")),
            ("", ("", "")),
        ] {
            assert_eq!(place(name), expected, "{name}");
        }
    }

    #[test]
    fn file_names_tell_domain_lists() {
        for (name, expected) in [
            ("aws/us-east-1/route53resolver-list-firewall-domains.rslvr-fdl-0d0a.json", "rslvr-fdl-0d0a"),
            ("rslvr-fdl-1", "rslvr-fdl-1"),
            ("rslvr-fdl-1/domains.json", ""),
            ("domains.json", ""),
        ] {
            assert_eq!(domain_list_of(name), expected, "{name}");
        }
    }

    #[test]
    fn file_names_tell_prefix_lists() {
        for (name, expected) in [
            ("aws/us-east-1/ec2-get-managed-prefix-list-entries.pl-0d0a.json", "pl-0d0a"),
            ("entries.PrefixListId:3.json", "PrefixListId:3"),
            ("pl-63a5400a.json", "pl-63a5400a"),
            ("entries-pl-63a5400a-page2.json", "pl-63a5400a"),
            ("pl-63a5400a/entries.json", ""),
            ("apl-1.json", ""),
            ("pl-.json", ""),
        ] {
            assert_eq!(prefix_list_of(name), expected, "{name}");
        }
    }
}
