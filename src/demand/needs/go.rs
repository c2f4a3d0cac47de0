//! Go: where modules come from (Go, `cmd/go/internal/modfetch` and `sumdb.go`).

use crate::demand::catalogue::Need;
use crate::demand::goproxy::{self, Entry, Target};
use crate::demand::pattern::go_prefix;
use crate::demand::shell::Command;
use crate::demand::url::Url;
use crate::demand::{Addresses, Endpoint, Setting};
use crate::model::{Protocol, Str};

use super::Gathering;
use super::view::Found;

/// Proxies that are known to answer for the checksum database, so that Go asks nobody else for it.
const SUMDB_PROXIES: &[&str] = &["goproxy.cn"];

/// The database that Go asks if GOSUMDB is not set.
const SUMDB: &str = "sum.golang.org";

/// More groups of alternatives than this are not spelled out.
const MAX_GROUPS: usize = 32;

/// The settings that one command sees.
#[derive(Clone, Debug, Default, PartialEq)]
struct Settings {
    proxy: Option<Found>,
    no_proxy: Option<Found>,
    private: Option<Found>,
    sumdb: Option<Found>,
    no_sumdb: Option<Found>,
    flags: Option<Found>,
}

/// The hosts of one alternative: all of them are needed.
type Closure = Vec<Host>;

/// One host that Go asks.
#[derive(Clone, Debug)]
struct Host {
    endpoint: Endpoint,
    scheme: Str,
    why: String,
    /// As the list writes it.
    written: Str,
}

impl Host {
    /// The version control hosts of modules, which are not known.
    fn any(why: String) -> Self {
        let endpoint = Endpoint { host: "*".into(), port: 443, protocol: Protocol::Tcp, addresses: Addresses::Public };
        Self { written: endpoint.host.clone(), endpoint, scheme: "https".into(), why }
    }
}

impl Gathering<'_, '_> {
    /// What the Go toolchain of this container needs.
    pub(super) fn go(&mut self, required: bool) {
        let commands: Vec<&Command> = self.view.commands.iter().filter(|c| c.program() == "go").collect();
        let mut seen: Vec<(Settings, bool)> = Vec::new();
        for command in commands.iter().map(|c| Some(*c)).chain(commands.is_empty().then_some(None)) {
            let settings = self.settings_of(command);
            let offline = is_vendored(&settings, command);
            if !seen.contains(&(settings.clone(), offline)) && command.is_none_or(uses_modules) {
                seen.push((settings, offline));
            }
        }
        for (settings, offline) in seen {
            if offline {
                self.note("builds from its vendor folder (`-mod=vendor`): `go build` needs no module network; `go mod download` still would");
            }
            self.modules(&settings, required && !offline);
        }
    }

    fn settings_of(&self, command: Option<&Command>) -> Settings {
        // What `go env -w` wrote counts for commands whose environment does not set it.
        let written = |name: &str| {
            let writes = self.view.commands.iter().filter(|c| c.is("go env -w"));
            writes
                .flat_map(|c| &c.words)
                .rev()
                .find_map(|word| Some(self.view.written(name, word.strip_prefix(name)?.strip_prefix('=')?)))
        };
        let read = |name: &str| self.view.seen_by(name, command).or_else(|| written(name));
        Settings {
            proxy: read("GOPROXY"),
            no_proxy: read("GONOPROXY"),
            private: read("GOPRIVATE"),
            sumdb: read("GOSUMDB"),
            no_sumdb: read("GONOSUMDB"),
            flags: read("GOFLAGS"),
        }
    }

    fn modules(&mut self, settings: &Settings, required: bool) {
        let text = settings.proxy.as_ref().map_or(Ok(goproxy::DEFAULT), |found| found.value.as_deref());
        let setting = settings.proxy.as_ref().map(|found| found.setting.clone());
        let entries = match text.map_err(ToOwned::to_owned).and_then(|text| {
            goproxy::parse(text)
                .map_err(|why| format!("GOPROXY is not valid, and Go stops before it contacts any host: {why}"))
        }) {
            Ok(entries) => entries,
            Err(why) => {
                self.default_modules(required, setting.as_ref(), &why);
                return;
            }
        };
        // GONOPROXY stands alone if it is set at all; only then GOPRIVATE does not count (Go, "Private modules").
        let private = settings.no_proxy.as_ref().or(settings.private.as_ref());
        if let Some(found) = private {
            match &found.value {
                Ok(patterns) if go_prefix(patterns, "any.example/any/any") => {
                    self.direct(required, Some(found.setting.clone()), "every module comes straight from its own host");
                    self.sumdb(settings, &[], &[]);
                    return;
                }
                Ok(patterns) => self.private_hosts(patterns, &found.setting),
                Err(why) => self
                    .note(&format!("fetches the modules that GONOPROXY or GOPRIVATE matches past every proxy: {why}")),
            }
        }
        self.chain(&entries, setting.as_ref(), required);
        let urls: Vec<&Url> =
            entries.iter().filter_map(|e| if let Target::Proxy(url) = &e.target { Some(url) } else { None }).collect();
        self.sumdb(settings, &urls, &entries);
    }

    /// What Go would ask if nothing were set, under a doubt.
    fn default_modules(&mut self, required: bool, setting: Option<&Setting>, why: &str) {
        let from = self.drafts.len();
        self.rows("go", required, |row| row.flow.as_deref() == Some("proxy"));
        self.rows("go", false, |row| row.flow.as_deref() == Some("sumdb"));
        for draft in &mut self.drafts[from..] {
            draft.requirement.setting = setting.cloned();
            draft.requirement.doubt = Some(why.to_owned());
            draft.redirected_by = None;
        }
    }

    /// The list of GOPROXY: what is tried first is required, what `|` leads on to is an
    /// alternative, what `,` leads on to is asked after 404 or 410 only.
    fn chain(&mut self, entries: &[Entry], setting: Option<&Setting>, required: bool) {
        let first = entries.iter().position(|entry| !entry.any_error).unwrap_or(entries.len() - 1);
        let (tried, later) = entries.split_at(first + 1);
        let mut closures: Vec<Closure> = Vec::new();
        let mut direct = false;
        for entry in tried {
            match &entry.target {
                Target::Proxy(url) => {
                    let closure = self.closure(url);
                    if closure.is_empty() {
                        let why = format!("GOPROXY names `{}`, which is no host name", url.host);
                        self.default_modules(required, setting, &why);
                        return;
                    }
                    closures.push(closure);
                }
                Target::File => closures.push(Vec::new()),
                Target::Direct => direct = true,
                Target::Off => {}
            }
        }
        if closures.iter().any(Vec::is_empty) {
            self.note("takes modules from a folder that GOPROXY names, without network");
            closures.clear();
        } else if direct && closures.is_empty() {
            self.direct(required, setting.cloned(), "GOPROXY says `direct`");
        } else if closures.is_empty() {
            self.note("downloads no module: GOPROXY says `off`; only what is vendored, cached or private is there");
        }
        if direct && !closures.is_empty() {
            closures.push(vec![Host::any("the modules' own hosts, if no proxy before them serves".to_owned())]);
        }
        self.alternatives(&closures, setting, required);
        for entry in later {
            match &entry.target {
                Target::Proxy(url) => {
                    for mut host in self.closure(url) {
                        host.why.push_str("; only after 404 or 410 of the entry before it in GOPROXY");
                        self.push_go(host, false, setting.cloned());
                    }
                }
                Target::Direct | Target::Off | Target::File => {}
            }
        }
    }

    /// The hosts that a module proxy means: itself, and what it redirects to.
    fn closure(&self, url: &Url) -> Closure {
        let Some(endpoint) = self.destination(url) else { return Vec::new() };
        let rows = self.reader.catalogue.ecosystem("go").map_or(&[] as &[_], |go| go.endpoints.as_slice());
        let row = rows.iter().find(|row| row.host == endpoint.host && row.port == endpoint.port);
        let why = row.map_or_else(
            || "module proxy that GOPROXY names".to_owned(),
            |row| {
                if row.need == Need::Required { row.what.to_string() } else { row.why() }
            },
        );
        let mut closure =
            vec![Host { endpoint, scheme: url.scheme.as_str().into(), why, written: url.host.as_str().into() }];
        for target in row.iter().flat_map(|row| &row.redirects_to) {
            if let Some(row) = rows.iter().find(|row| row.host == *target) {
                let addresses = self.reader.catalogue.addresses(target);
                let endpoint = Endpoint { host: target.clone(), port: row.port, protocol: Protocol::Tcp, addresses };
                closure.push(Host { endpoint, scheme: row.scheme.clone(), why: row.why(), written: target.clone() });
            }
        }
        closure
    }

    /// "All of A, or all of B" as groups of which one member must hold: (a1 or b1) and (a1 or b2) and …
    fn alternatives(&mut self, closures: &[Closure], setting: Option<&Setting>, required: bool) {
        if let [closure] = closures {
            for host in closure.clone() {
                self.push_go(host, required, setting.cloned());
            }
            return;
        }
        let groups: usize = closures.iter().map(Vec::len).product();
        let mut number = self.alternatives;
        for group in 0..groups.min(MAX_GROUPS) * usize::from(!closures.is_empty()) {
            number += 1;
            let mut rest = group;
            for closure in closures {
                let host = closure[rest % closure.len()].clone();
                rest /= closure.len();
                let is_any = host.endpoint.host == "*";
                self.push_go(host, required, setting.cloned());
                if let Some(draft) = self.drafts.last_mut() {
                    draft.requirement.alternative = Some(number);
                    if is_any {
                        draft.requirement.doubt = Some(UNKNOWN_HOSTS.to_owned());
                    } else if groups > MAX_GROUPS {
                        draft.requirement.doubt =
                            Some("GOPROXY holds more alternatives than are told apart".to_owned());
                    }
                }
            }
        }
        self.alternatives = number;
    }

    /// Modules past every proxy: their hosts stand in go.mod, which is not read.
    fn direct(&mut self, required: bool, setting: Option<Setting>, because: &str) {
        self.push_go(Host::any(format!("the modules' own hosts: {because}")), required, setting);
        if let Some(draft) = self.drafts.last_mut() {
            draft.requirement.doubt = Some(UNKNOWN_HOSTS.to_owned());
        }
        let from = self.drafts.len();
        self.rows("go", false, |row| row.flow.as_deref() == Some("direct"));
        for draft in &mut self.drafts[from..] {
            draft.redirected_by = Some("vcs_other".into());
        }
    }

    /// Hosts that GOPRIVATE or GONOPROXY spells out.
    fn private_hosts(&mut self, patterns: &str, setting: &Setting) {
        for pattern in patterns.split(',').filter(|pattern| !pattern.is_empty()) {
            let host = pattern.split('/').next().unwrap_or_default();
            if host.contains('.')
                && let Some((host, port)) = Url::authority(host)
            {
                let url = Url { scheme: "https".to_owned(), host, port: port.unwrap_or(443) };
                let why = format!("modules that match `{pattern}` come straight from their host");
                self.url(&url, "go", false, why, Some(setting.clone()), Some("vcs_other"));
            } else {
                self.note(&format!(
                    "fetches modules that match `{pattern}` past every proxy, from hosts that only go.mod names"
                ));
            }
        }
    }

    /// The checksum database: needed only for hashes that go.sum lacks, hence conditional.
    fn sumdb(&mut self, settings: &Settings, proxies: &[&Url], entries: &[Entry]) {
        let setting = settings.sumdb.as_ref().map(|found| found.setting.clone());
        let value = match settings.sumdb.as_ref().map_or(Ok(SUMDB), |found| found.value.as_deref()) {
            Ok(value) => value,
            Err(why) => {
                let why = why.to_owned();
                self.database(SUMDB, setting.as_ref(), Some(&why));
                return;
            }
        };
        let exempt = settings.no_sumdb.as_ref().or(settings.private.as_ref()).and_then(Found::text);
        let everything_exempt = exempt.is_some_and(|patterns| go_prefix(patterns, "any.example/any/any"));
        if value == "off" || everything_exempt {
            return;
        }
        let mut words = value.split_whitespace();
        let name = words.next().unwrap_or(SUMDB);
        let name = name.split('+').next().unwrap_or(name);
        if let Some(url) = words.next() {
            // A URL of its own bypasses every proxy.
            match Url::parse(url) {
                Some(url) => {
                    self.url(&url, "go", false, "checksum database that GOSUMDB names".to_owned(), setting, None);
                }
                None => self.note("sets GOSUMDB to what is no URL: Go stops when it needs the checksum database"),
            }
            return;
        }
        if !name.contains('.') {
            self.note(&format!("sets GOSUMDB to `{name}`, which names no database: Go stops when it needs it"));
            return;
        }
        let offline =
            entries.iter().all(|entry| matches!(entry.target, Target::Off | Target::File)) && !entries.is_empty();
        // The first proxy is asked first, and one that answers for the database ends the search.
        let served = proxies.first().is_some_and(|url| SUMDB_PROXIES.contains(&url.host.as_str()));
        if !(offline || served && name == SUMDB) {
            self.database(name, setting.as_ref(), None);
        }
    }

    fn database(&mut self, name: &str, setting: Option<&Setting>, doubt: Option<&str>) {
        let from = self.drafts.len();
        self.rows("go", false, |row| row.flow.as_deref() == Some("sumdb") && row.host == name);
        if self.drafts.len() == from {
            let url = Url { scheme: "https".to_owned(), host: name.to_ascii_lowercase(), port: 443 };
            self.url(&url, "go", false, "checksum database that GOSUMDB names".to_owned(), setting.cloned(), None);
        }
        for draft in &mut self.drafts[from..] {
            draft.requirement.setting = setting.cloned();
            draft.requirement.doubt = doubt.map(ToOwned::to_owned);
        }
    }

    fn push_go(&mut self, host: Host, required: bool, setting: Option<Setting>) {
        // With GOPROXY set, nothing but a proxy variable redirects it further.
        let redirected_by = setting.is_none().then(|| "go".into());
        self.push(host.endpoint, &host.scheme, "go", required, host.why, setting, redirected_by);
        if let Some(draft) = self.drafts.last_mut() {
            draft.written = host.written;
        }
    }
}

const UNKNOWN_HOSTS: &str = "modules come straight from hosts that only go.mod names";

/// Whether a command of Go may download modules.
fn uses_modules(command: &Command) -> bool {
    !["go env", "go fmt", "go version", "go help", "go tool", "go clean", "go doc"]
        .iter()
        .any(|pattern| command.is(pattern))
}

/// Whether a command builds from the vendor folder: with `-mod=vendor`, `build`, `test`, `vet`,
/// `list` and the like need no network; `mod …`, `get` and `pkg@version` do.
fn is_vendored(settings: &Settings, command: Option<&Command>) -> bool {
    let flags = settings.flags.as_ref().and_then(Found::text).unwrap_or_default();
    let vendor =
        |mut words: std::str::SplitWhitespace<'_>| words.any(|word| matches!(word, "-mod=vendor" | "--mod=vendor"));
    let Some(command) = command else { return vendor(flags.split_whitespace()) };
    let own = command.words.iter().rev().find_map(|word| word.trim_start_matches('-').strip_prefix("mod="));
    let is_vendor = own.map_or_else(|| vendor(flags.split_whitespace()), |mode| mode == "vendor");
    let needs_network = ["go mod", "go get"].iter().any(|pattern| command.is(pattern))
        || command.words.iter().skip(2).any(|word| word.contains('@') && !word.starts_with('-'));
    is_vendor && !needs_network
}
