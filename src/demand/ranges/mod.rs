//! Published address ranges: dated data of the project, or a vendor's own newer file.
//!
//! A feed key names a base and, where a vendor tells its services apart, a part of it:
//! `fastly`, `aws:S3`, `aws:S3:eu-west-1`, `azure_tags:MicrosoftContainerRegistry+AzureFrontDoor.FirstParty`.

mod vendor;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use crate::model::{AddrSet, Family, Str};

pub use vendor::RangesError;

/// Addresses that a vendor publishes for a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// The key that was asked for.
    pub key: Str,
    /// What it is, for people: `Amazon Web Services, S3 in eu-west-1`.
    pub title: String,
    /// Date of the data, as exact as the vendor gives it; of two feeds the older one.
    pub as_of: Str,
    /// IPv4 addresses.
    pub v4: AddrSet,
    /// IPv6 addresses.
    pub v6: AddrSet,
    /// A content delivery network: admitting the addresses admits every customer of it, and a
    /// single address answers for many names.
    pub shared_cdn: bool,
}

impl Feed {
    /// The addresses of one family.
    pub fn family(&self, family: Family) -> &AddrSet {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// Who publishes an address as theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Feed key that holds the address, such as `google_goog`.
    pub key: &'static str,
    /// For people: `Google APIs and services`.
    pub title: &'static str,
    /// Services, region or tags that the vendor states; empty if none.
    pub detail: String,
    /// Date of the data.
    pub as_of: Str,
}

/// One published feed as it is stored.
struct Base {
    key: &'static str,
    title: &'static str,
    text: &'static str,
    /// Columns that hold the tags and the region; the first column is the block.
    tags: Option<usize>,
    region: Option<usize>,
    shared_cdn: bool,
}

const BASES: &[Base] = &[
    Base {
        key: "google",
        title: "Google, customers included",
        text: include_str!("google.tsv"),
        tags: None,
        region: None,
        shared_cdn: false,
    },
    Base {
        key: "google_cloud",
        title: "Google Cloud customers",
        text: include_str!("google_cloud.tsv"),
        tags: None,
        region: Some(1),
        shared_cdn: false,
    },
    Base {
        key: "gcp_vip",
        title: "Private Google Access",
        text: include_str!("gcp_vip.tsv"),
        tags: Some(1),
        region: None,
        shared_cdn: false,
    },
    Base {
        key: "aws",
        title: "Amazon Web Services",
        text: include_str!("aws.tsv"),
        tags: Some(2),
        region: Some(1),
        shared_cdn: false,
    },
    Base {
        key: "azure_tags",
        title: "Azure",
        text: include_str!("azure_tags.tsv"),
        tags: Some(1),
        region: None,
        shared_cdn: false,
    },
    Base {
        key: "github_meta",
        title: "GitHub",
        text: include_str!("github_meta.tsv"),
        tags: Some(1),
        region: None,
        shared_cdn: false,
    },
    Base {
        key: "fastly",
        title: "Fastly",
        text: include_str!("fastly.tsv"),
        tags: None,
        region: None,
        shared_cdn: true,
    },
    Base {
        key: "cloudflare",
        title: "Cloudflare",
        text: include_str!("cloudflare.tsv"),
        tags: None,
        region: None,
        shared_cdn: true,
    },
];

/// Key and title of what Google's services answer from: every Google address that no customer of
/// Google Cloud can rent (Google, "Obtain Google IP address ranges": goog.json minus cloud.json).
const GOOGLE_SERVICES: (&str, &str) = ("google_goog", "Google APIs and services");

/// Tags that stand for a content delivery network inside a feed that is none as a whole.
const CDN_TAGS: &[&str] = &["CLOUDFRONT", "AzureFrontDoor.FirstParty", "AzureFrontDoor.Frontend"];

/// The published ranges of an audit.
#[derive(Debug, Default)]
pub struct Ranges {
    /// Feeds that the user brought, in the form of the project's own files.
    newer: BTreeMap<&'static str, String>,
    memo: Mutex<FxHashMap<String, Option<Arc<Feed>>>>,
}

impl Ranges {
    /// The project's own data. A feed is parsed when it is first asked for.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// Puts a vendor's own file in the place of the built-in feed. Its shape tells whose it is:
    /// Google goog.json and cloud.json, AWS ip-ranges.json, GitHub meta, Fastly public-ip-list,
    /// Cloudflare ips, Azure service tags.
    ///
    /// # Errors
    ///
    /// The text is none of these, or holds a block that is no CIDR.
    pub fn with_vendor_file(mut self, text: &str) -> Result<Self, RangesError> {
        let (key, rows) = vendor::convert(text)?;
        self.newer.insert(key, rows);
        self.memo = Mutex::default();
        Ok(self)
    }

    /// The feed of a key, `None` if no ranges are known for it.
    pub fn feed(&self, key: &str) -> Option<Arc<Feed>> {
        let mut memo = self.memo.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = memo.get(key) {
            return known.clone();
        }
        let feed = self.read(key).map(Arc::new);
        memo.insert(key.to_owned(), feed.clone());
        feed
    }

    /// Who publishes the address as theirs: the most telling first. Empty if nobody known does.
    pub fn classify(&self, ip: IpAddr) -> Vec<Owner> {
        let mut owners = Vec::new();
        if let Some(feed) = self.feed(GOOGLE_SERVICES.0)
            && feed.family(Family::of(ip)).contains(ip)
        {
            owners.push(Owner {
                key: GOOGLE_SERVICES.0,
                title: GOOGLE_SERVICES.1,
                detail: String::new(),
                as_of: feed.as_of.clone(),
            });
        }
        for base in BASES.iter().filter(|base| base.key != "google") {
            let text = self.text(base);
            let mut details: Vec<String> = rows(base, text)
                .filter(|row| row.net.contains(&ip))
                .map(|row| {
                    [row.tags, row.region].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" in ")
                })
                .collect();
            if !details.is_empty() {
                details.sort_unstable();
                details.dedup();
                let as_of = as_of(text).into();
                owners.push(Owner { key: base.key, title: base.title, detail: details.join(", "), as_of });
            }
        }
        owners
    }

    /// The bases with title and date, for a listing.
    pub fn list(&self) -> Vec<(&'static str, &'static str, Str)> {
        BASES.iter().map(|base| (base.key, base.title, as_of(self.text(base)).into())).collect()
    }

    fn text<'a>(&'a self, base: &Base) -> &'a str {
        self.newer.get(base.key).map_or(base.text, String::as_str)
    }

    fn read(&self, key: &str) -> Option<Feed> {
        if key == GOOGLE_SERVICES.0 {
            let (all, cloud) = (self.read("google")?, self.read("google_cloud")?);
            return Some(Feed {
                key: key.into(),
                title: GOOGLE_SERVICES.1.to_owned(),
                as_of: all.as_of.min(cloud.as_of),
                v4: all.v4.difference(&cloud.v4),
                v6: all.v6.difference(&cloud.v6),
                shared_cdn: false,
            });
        }
        let mut parts = key.splitn(3, ':');
        let base_key = parts.next()?;
        let base = BASES.iter().find(|base| base.key == base_key)?;
        let tags: Vec<&str> = parts.next().map(|tags| tags.split('+').collect()).unwrap_or_default();
        let region = parts.next();
        let text = self.text(base);
        let nets: Vec<IpNet> = rows(base, text)
            .filter(|row| tags.is_empty() || row.tags.split(',').any(|tag| tags.contains(&tag)))
            .filter(|row| region.is_none_or(|region| row.region == region))
            .map(|row| row.net)
            .collect();
        if nets.is_empty() {
            return None;
        }
        let mut title = base.title.to_owned();
        if !tags.is_empty() {
            title = format!("{title}, {}", tags.join(" and "));
        }
        if let Some(region) = region {
            title = format!("{title} in {region}");
        }
        Some(Feed {
            key: key.into(),
            title,
            as_of: as_of(text).into(),
            v4: AddrSet::from_nets(Family::V4, nets.iter().copied()),
            v6: AddrSet::from_nets(Family::V6, nets),
            shared_cdn: base.shared_cdn || tags.iter().any(|tag| CDN_TAGS.contains(tag)),
        })
    }
}

struct Row<'a> {
    net: IpNet,
    tags: &'a str,
    region: &'a str,
}

fn rows<'a>(base: &Base, text: &'a str) -> impl Iterator<Item = Row<'a>> {
    let (tags, region) = (base.tags, base.region);
    text.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
        let column = |index: Option<usize>| index.and_then(|index| line.split('\t').nth(index)).unwrap_or("");
        let net = line.split('\t').next()?.parse().ok()?;
        Some(Row { net, tags: column(tags), region: column(region) })
    })
}

/// The date in the first lines of a feed: `2026-08-22`, or `2025-07` where a vendor gives no day.
fn as_of(text: &str) -> &str {
    for line in text.lines().take_while(|line| line.starts_with('#')) {
        if let Some((_, date)) =
            line.split_once(", as of ").or_else(|| line.split_once("Time ")).or_else(|| line.split_once("Date "))
        {
            let end =
                date.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(date.len()).min("2026-08-22".len());
            if end > 0 {
                return &date[..end];
            }
            return date.split(':').next().unwrap_or(date);
        }
    }
    "no date"
}

#[cfg(test)]
mod tests;
