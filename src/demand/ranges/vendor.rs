//! The vendors' own files, turned into the form of the project's own.

use std::collections::BTreeMap;
use std::fmt::Write;

use ipnet::IpNet;
use serde_json::Value;

/// Why a file of ranges was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RangesError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of no known vendor.
    #[error(
        "the shape is of no known feed: Google goog.json or cloud.json, AWS ip-ranges.json, GitHub meta, \
         Fastly public-ip-list, Cloudflare ips or Azure service tags"
    )]
    UnknownShape,
    /// A block that is no CIDR.
    #[error("`{0}` is no address block")]
    BadBlock(String),
    /// The right shape, and nothing in it.
    #[error("the feed `{0}` holds no address block")]
    Empty(&'static str),
}

/// Services of AWS that the project's own data tell apart; all other addresses are `AMAZON`.
const AWS_SERVICES: &[&str] = &["AMAZON", "API_GATEWAY", "CLOUDFRONT", "CODEBUILD", "EC2", "GLOBALACCELERATOR", "S3"];

/// Keys of GitHub's feed that are destinations of a build; runner addresses are not.
const GITHUB_KEYS: &[&str] = &["api", "git", "hooks", "packages", "pages", "web"];

/// The feed's key and its rows.
pub(super) fn convert(text: &str) -> Result<(&'static str, String), RangesError> {
    let document: Value = serde_json::from_str(text)?;
    let (key, date, rows) = if document.get("ipv6_prefixes").is_some() {
        ("aws", aws_date(&document), aws(&document)?)
    } else if document.get("creationTime").is_some() && document.get("prefixes").is_some() {
        google(&document)?
    } else if document.get("values").is_some() && document.get("changeNumber").is_some() {
        let change = document["changeNumber"].as_u64().unwrap_or_default();
        ("azure_tags", format!("change {change}"), azure(&document)?)
    } else if document.get("ipv6_addresses").is_some() && document.get("addresses").is_some() {
        ("fastly", no_date(), plain(&document, &["addresses", "ipv6_addresses"])?)
    } else if let Some(result) = document.get("result").filter(|result| result.get("ipv4_cidrs").is_some()) {
        ("cloudflare", no_date(), plain(result, &["ipv4_cidrs", "ipv6_cidrs"])?)
    } else if document.get("git").is_some_and(Value::is_array) && document.get("web").is_some_and(Value::is_array) {
        ("github_meta", no_date(), github(&document)?)
    } else {
        return Err(RangesError::UnknownShape);
    };
    if rows.is_empty() {
        return Err(RangesError::Empty(key));
    }
    let mut out = format!("# feed: the file that was given, as of {date}\n");
    for (net, [region, tags]) in rows {
        let columns = match key {
            "aws" => format!("\t{region}\t{tags}"),
            "google_cloud" => format!("\t{region}"),
            "azure_tags" | "github_meta" => format!("\t{tags}"),
            _ => String::new(),
        };
        let _ = writeln!(out, "{net}{columns}");
    }
    Ok((key, out))
}

/// Region and tags per block.
type Rows = BTreeMap<IpNet, [String; 2]>;

fn no_date() -> String {
    "an unknown date: the vendor gives none".to_owned()
}

fn add(rows: &mut Rows, block: &str, region: &str, tag: &str) -> Result<(), RangesError> {
    let net = block.parse().map_err(|_| RangesError::BadBlock(block.to_owned()))?;
    let [known_region, tags] = rows.entry(net).or_default();
    region.clone_into(known_region);
    if !tag.is_empty() && !tags.split(',').any(|known| known == tag) {
        if !tags.is_empty() {
            tags.push(',');
        }
        tags.push_str(tag);
    }
    Ok(())
}

fn texts<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn objects<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn field<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn google(document: &Value) -> Result<(&'static str, String, Rows), RangesError> {
    let mut rows = Rows::new();
    let mut scoped = false;
    for prefix in objects(document, "prefixes") {
        let scope = field(prefix, "scope");
        scoped |= !scope.is_empty();
        for block in ["ipv4Prefix", "ipv6Prefix"].map(|key| field(prefix, key)).into_iter().filter(|b| !b.is_empty()) {
            add(&mut rows, block, scope, "")?;
        }
    }
    // Only the customers' file says where each block is used.
    let key = if scoped { "google_cloud" } else { "google" };
    Ok((key, field(document, "creationTime").chars().take("2026-08-22".len()).collect(), rows))
}

fn aws_date(document: &Value) -> String {
    field(document, "createDate").chars().take("2026-08-22".len()).collect()
}

fn aws(document: &Value) -> Result<Rows, RangesError> {
    let mut rows = Rows::new();
    for (list, key) in [("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix")] {
        for prefix in objects(document, list) {
            let service = field(prefix, "service");
            let service = if AWS_SERVICES.contains(&service) { service } else { "AMAZON" };
            add(&mut rows, field(prefix, key), field(prefix, "region"), service)?;
        }
    }
    Ok(rows)
}

fn azure(document: &Value) -> Result<Rows, RangesError> {
    let mut rows = Rows::new();
    for tag in objects(document, "values") {
        let name = field(tag, "name");
        // `Storage.WestEurope` repeats part of `Storage`; Front Door's tags are told apart by a dot too.
        if name.contains('.') && !name.starts_with("AzureFrontDoor.") {
            continue;
        }
        for block in tag.get("properties").into_iter().flat_map(|p| texts(p, "addressPrefixes")) {
            add(&mut rows, block, "", name)?;
        }
    }
    Ok(rows)
}

fn github(document: &Value) -> Result<Rows, RangesError> {
    let mut rows = Rows::new();
    for key in GITHUB_KEYS {
        for block in texts(document, key) {
            add(&mut rows, block, "", key)?;
        }
    }
    Ok(rows)
}

fn plain(value: &Value, keys: &[&str]) -> Result<Rows, RangesError> {
    let mut rows = Rows::new();
    for block in keys.iter().flat_map(|key| texts(value, key)) {
        add(&mut rows, block, "", "")?;
    }
    Ok(rows)
}
