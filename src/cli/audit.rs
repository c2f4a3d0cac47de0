//! `buildreach audit`: every build subject × everything it needs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::Exit;
use super::archive::ArchiveArgs;
use super::exceptions;
use super::output::{self, Colour, Sink};
use super::presents::{self, PresentsArgs};
use super::source::{self, SourceArgs};
use crate::collect::{kube, resolve};
use crate::demand::{self, Addresses, Demand, DemandOptions, catalogue::Catalogue, ranges::Ranges};
use crate::model::{Layer, Selector, Severity, Snapshot, Str};
use crate::policy::engine::{Overrides, PROFILE_NAMES};
use crate::report;
use crate::trace::audit::{Audit, Question};
use crate::trace::report::{About, reaches, report as words};
use crate::trace::{Context, Profile};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 clean, 1 findings at or above --fail-on, 2 usage or run-time error,
3 coverage incomplete under --require-complete; 2 beats 3 beats 1.

Without SOURCE the current kubeconfig context is read.")]
pub(super) struct Args {
    /// Files, folders or `-` with Kubernetes YAML or JSON, or a saved snapshot
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Count a layer that was not assessed as unknown; repeatable, or with commas
    #[arg(long, value_name = "LAYER", value_parser = layer, value_delimiter = ',')]
    require: Vec<Layer>,
    /// Exit with 3 if something that may exist could not be read
    #[arg(long)]
    require_complete: bool,
    /// Exit with 1 from this severity on: critical, high, medium, low, info or none
    #[arg(long, value_name = "SEVERITY", default_value = "high", value_parser = threshold)]
    fail_on: Threshold,
    /// Exit with 0 whatever is found; 2 and 3 stay
    #[arg(long)]
    exit_zero: bool,
    /// Findings that are accepted, with their reasons: a list as in `spec.exceptions`
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
    /// Print what the credentials can read, and stop
    #[arg(long)]
    preflight: bool,
    /// Format: table, wide, json, yaml, markdown, sarif, junit or prometheus; FORMAT=FILE writes to a file; repeatable
    #[arg(short, long, value_name = "FORMAT[=FILE]")]
    output: Vec<Sink>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t)]
    color: Colour,
    #[command(flatten)]
    archive: ArchiveArgs,
}

/// Who is asked about, and what they need.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Subjects and endpoints")]
pub(super) struct WhatArgs {
    /// Take these as build subjects: ns/name, ns/Kind/name or a Kind; repeatable
    #[arg(long, value_name = "SUBJECT")]
    subject: Vec<demand::SubjectSelector>,
    /// Ask from here instead of from pods: a security group, an interface, an instance or a node; repeatable
    #[arg(long, value_name = "sg-…|eni-…|i-…|node/NAME", conflicts_with_all = ["subject", "all_pods"])]
    pub(super) source: Vec<demand::SourceId>,
    /// Take every running pod as a subject, and no template
    #[arg(long, conflicts_with = "subject")]
    all_pods: bool,
    /// Only subjects whose pods have these labels (kubectl's selector grammar)
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// What they need, instead of what was detected: go, npm, pypi, …; repeatable
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    ecosystem: Vec<String>,
    /// An endpoint that they need: HOST or IP, with :PORT and /PROTO; repeatable
    #[arg(long, value_name = "HOST|IP[:PORT[/PROTO]]")]
    endpoint: Vec<String>,
    /// EndpointSet objects: private registries and what they replace
    #[arg(long, value_name = "FILE")]
    endpoints: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) presents: PresentsArgs,
    /// Endpoint sets that only tell what servers present.
    #[arg(skip)]
    pub(super) told_by: Vec<PathBuf>,
    /// Addresses that they need, `IP PORT` a line
    #[arg(long, value_name = "FILE")]
    endpoints_list: Option<PathBuf>,
    /// A vendor's own newer list of address ranges (its JSON); repeatable
    #[arg(long, value_name = "FILE")]
    ranges: Vec<PathBuf>,
    /// Look names up in DNS from here; a sample, never the whole
    #[arg(long)]
    resolve: bool,
}

/// Which network plugin, where its marks do not tell.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Network plugin")]
pub(super) struct EngineArgs {
    /// The network plugin that enforces policies, instead of what was detected
    #[arg(long, value_name = "NAME")]
    cni: Option<String>,
    /// Behaviour that the plugin defines: podIPInIPBlock=BOOL, ownNode=BOOL, cni=NAME; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    profile: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Threshold(Option<Severity>);

fn threshold(text: &str) -> Result<Threshold, String> {
    if text == "none" { Ok(Threshold(None)) } else { text.parse().map(|s| Threshold(Some(s))) }
}

fn layer(text: &str) -> Result<Layer, String> {
    let known = Layer::ALL.iter().find(|layer| layer.to_string() == text);
    known.copied().ok_or_else(|| format!("`{text}` is no layer: config, dns, policy, mesh, cloud, proxy or tls"))
}

/// Runs the audit.
pub(super) fn run(args: &Args, quiet: bool) -> anyhow::Result<Exit> {
    args.archive.check()?;
    if args.preflight {
        return preflight(args);
    }
    if args.what.all_pods && args.what.endpoint.is_empty() && args.what.endpoints_list.is_none() {
        bail!("--all-pods needs the endpoints to ask for: --endpoint or --endpoints-list");
    }
    let start = Instant::now();
    // The process ends with the report: taking a large snapshot apart before that would only cost time.
    let snapshot = ManuallyDrop::new(source::collect(&args.sources, &args.source, quiet, &args.what.config_maps()?)?);
    let (pods, policies) = (snapshot.pods.len(), snapshot.network_policies.len());
    stage(&format!("read {pods} pods and {policies} policies"), start);
    let profile = args.engine.profile()?;
    let start = Instant::now();
    let prepared = Prepared::new(&args.what, &args.source, &snapshot)?;
    stage(&format!("found {} subjects", prepared.demand.subjects.len()), start);
    if let (Some(subject), true) = (args.what.subject.first(), prepared.demand.subjects.is_empty()) {
        let scope = match args.source.namespace.as_slice() {
            [] => String::new(),
            [one] => format!(" in namespace {one}"),
            several => format!(" in the namespaces {}", several.join(", ")),
        };
        bail!("no pod or template is called {subject}{scope}");
    }
    known_sources(&args.what.source, &snapshot)?;
    let start = Instant::now();
    let question = Question {
        require: args.require.clone(),
        answers: prepared.answers(&args.what)?,
        exceptions: exceptions::read(args.exceptions.as_deref())?,
    };
    let context = ManuallyDrop::new(Context::new(&snapshot, &profile));
    stage(&format!("compiled {policies} policies"), start);
    let start = Instant::now();
    let (demand, ranges) = (&prepared.demand, &prepared.ranges);
    let audit = ManuallyDrop::new(Audit::new(&context, demand, ranges, &question));
    stage(&format!("evaluated {} outcomes", audit.outcomes()), start);
    let start = Instant::now();
    let about = About {
        catalogue: prepared.catalogue.as_of().into(),
        looked_for: demand::looked_for(),
        matrix: args.what.all_pods,
    };
    let report = ManuallyDrop::new(words(&audit, demand, &about));
    stage(&format!("put {} results into words", report.results.len()), start);
    let start = Instant::now();
    let written =
        output::write(&args.output, args.color, |format, options, out| report::render(&report, format, options, out));
    // A reader of stdout that went away is no reason not to keep the report.
    args.archive.keep(&report, &args.output, &args.source, quiet)?;
    written?;
    stage("wrote the report", start);
    source::hints(&snapshot, quiet);
    if args.require_complete && !report.summary.coverage_complete {
        return Ok(Exit::Incomplete);
    }
    let fails =
        !args.exit_zero && args.fail_on.0.is_some_and(|limit| report.findings.iter().any(|f| reaches(f, limit)));
    Ok(if fails { Exit::Findings } else { Exit::Clean })
}

/// Refuses sources that the documents would hold if they existed.
fn known_sources(sources: &[demand::SourceId], snapshot: &Snapshot) -> anyhow::Result<()> {
    use crate::model::aws::AwsList;
    let read = |list| snapshot.aws.iter().any(|scope| scope.has(list));
    for source in sources {
        let (known, is_read): (Vec<&str>, bool) = match source {
            demand::SourceId::SecurityGroup(_) => {
                let groups = snapshot.aws.iter().flat_map(|s| &s.security_groups);
                (groups.map(|g| g.group_id.as_str()).collect(), read(AwsList::SecurityGroups))
            }
            demand::SourceId::Interface(_) => {
                let ifaces = snapshot.aws.iter().flat_map(|s| &s.network_interfaces);
                (ifaces.map(|i| i.network_interface_id.as_str()).collect(), read(AwsList::NetworkInterfaces))
            }
            demand::SourceId::Instance(_) | demand::SourceId::Id(_) => continue,
            demand::SourceId::Node(_) => (snapshot.nodes.iter().map(|n| n.meta.name.as_str()).collect(), true),
        };
        let text = source.to_string();
        let name = text.strip_prefix("node/").unwrap_or(&text);
        if is_read && !known.contains(&name) {
            let some: Vec<&str> = known.iter().take(10).copied().collect();
            let there =
                if some.is_empty() { "there is none".to_owned() } else { format!("there is {}", some.join(", ")) };
            bail!("{text} is not in what was read: {there}");
        }
    }
    Ok(())
}

/// Logs how long a stage took, and how much anonymous memory is resident after it where the system tells.
fn stage(what: &str, start: Instant) {
    if tracing::enabled!(tracing::Level::INFO) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let memory = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).map_or("?", str::trim);
        tracing::info!("{what} in {:?}, {memory} resident", start.elapsed());
    }
}

/// What the flags make of a snapshot.
pub(super) struct Prepared {
    pub(super) catalogue: Catalogue,
    pub(super) ranges: Ranges,
    pub(super) demand: Demand,
}

impl Prepared {
    pub(super) fn new(what: &WhatArgs, source: &SourceArgs, snapshot: &Snapshot) -> anyhow::Result<Self> {
        let catalogue = Catalogue::builtin();
        let mut ranges = Ranges::builtin();
        for path in &what.ranges {
            let text = read(path)?;
            ranges = ranges.with_vendor_file(&text).with_context(|| format!("in {}", path.display()))?;
        }
        let options = what.demand_options(&catalogue, source)?;
        let demand = demand::build(snapshot, &catalogue, &options);
        Ok(Self { catalogue, ranges, demand })
    }

    /// DNS answers for the names that nobody publishes ranges for.
    pub(super) fn answers(&self, what: &WhatArgs) -> anyhow::Result<BTreeMap<Str, Vec<IpAddr>>> {
        if !what.resolve {
            return Ok(BTreeMap::new());
        }
        let mut hosts: Vec<Str> = self
            .demand
            .subjects
            .iter()
            .flat_map(|s| self.demand.requirements(s))
            .filter(|r| r.endpoint.addresses == Addresses::Public && !r.endpoint.host.contains(['*', '{']))
            .map(|r| r.endpoint.host.clone())
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        source::runtime()?.block_on(resolve::resolve(&hosts))
    }
}

impl WhatArgs {
    /// One subject and one endpoint, and nothing else that it may need.
    pub(super) fn of(subject: &demand::SubjectSelector, endpoint: &str) -> Self {
        Self { subject: vec![subject.clone()], endpoint: vec![endpoint.to_owned()], ..Self::default() }
    }

    /// The ConfigMaps that hold what servers present, by namespace and name.
    pub(super) fn config_maps(&self) -> anyhow::Result<Vec<(Str, Str)>> {
        let catalogue = Catalogue::builtin();
        let mut named = Vec::new();
        for path in self.endpoints.iter().chain(&self.told_by) {
            let sets = presents::endpoint_sets(path, &catalogue)?;
            named.extend(sets.iter().flat_map(|set| &set.presents).filter_map(|told| told.reference.config_map()));
        }
        Ok(named)
    }

    fn demand_options(&self, catalogue: &Catalogue, source: &SourceArgs) -> anyhow::Result<DemandOptions> {
        let mut options = DemandOptions {
            subjects: self.subject.clone(),
            all_pods: self.all_pods,
            sources: self.source.clone(),
            namespaces: source.namespace.iter().map(|n| n.as_str().into()).collect(),
            ..DemandOptions::default()
        };
        if let Some(text) = &self.selector {
            options.selector = Some(Selector::parse(text).with_context(|| format!("--selector {text}"))?);
        }
        if !self.ecosystem.is_empty() {
            let mut ids = Vec::new();
            for name in &self.ecosystem {
                ids.extend(catalogue.resolve(name)?);
            }
            options.ecosystems = Some(ids);
        } else if self.all_pods {
            // A matrix: only the endpoints that were named.
            options.ecosystems = Some(Vec::new());
        }
        for text in &self.endpoint {
            options.endpoints.push(demand::parse_endpoint(text, catalogue)?);
        }
        for path in &self.endpoints {
            options.endpoint_sets.extend(presents::endpoint_sets(path, catalogue)?);
        }
        options.presents = self.presents.told()?;
        for path in &self.told_by {
            let sets = presents::endpoint_sets(path, catalogue)?;
            options.presents.extend(sets.into_iter().flat_map(|set| set.presents));
        }
        if let Some(path) = &self.endpoints_list {
            let list = demand::parse_endpoint_list(&read(path)?);
            options.endpoints.extend(list.with_context(|| format!("in {}", path.display()))?);
        }
        Ok(options)
    }
}

impl EngineArgs {
    pub(super) fn profile(&self) -> anyhow::Result<Profile> {
        let mut profile = Profile { cni: None, trusted: true, overrides: Overrides::default() };
        let mut cni = self.cni.clone();
        for setting in &self.profile {
            let (key, value) = setting.split_once('=').with_context(|| format!("--profile {setting}: KEY=VALUE"))?;
            let switch = || value.parse::<bool>().with_context(|| format!("--profile {setting}: true or false"));
            match key {
                "cni" => cni = Some(value.to_owned()),
                "podIPInIPBlock" => profile.overrides.pod_ip_in_ip_block = Some(switch()?),
                "ownNode" => profile.overrides.own_node = Some(switch()?),
                "hostNetwork" if value == "ignored" => {}
                _ => bail!("--profile {setting}: the keys are cni, podIPInIPBlock, ownNode and hostNetwork=ignored"),
            }
        }
        if let Some(name) = cni {
            if !PROFILE_NAMES.contains(&name.as_str()) {
                bail!("--cni {name}: known are {}", PROFILE_NAMES.join(", "));
            }
            profile.cni = Some(name.into());
        }
        Ok(profile)
    }
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn preflight(args: &Args) -> anyhow::Result<Exit> {
    let options = source::live_options(&args.source);
    let rows = source::runtime()?.block_on(kube::preflight(&options))?;
    output::to_stdout(|out| preflight_table(&rows, out))?;
    let complete = rows.iter().all(|row| row.allowed);
    Ok(if complete || !args.require_complete { Exit::Clean } else { Exit::Incomplete })
}

fn preflight_table(rows: &[kube::PreflightRow], out: &mut dyn Write) -> io::Result<()> {
    let mut table = tabled::builder::Builder::new();
    table.push_record(["RESOURCE", "NAMESPACE", "VERB", "ALLOWED", "WHY"]);
    for row in rows {
        let resource =
            if row.group.is_empty() { row.resource.clone() } else { format!("{}.{}", row.resource, row.group) };
        let namespace = row.namespace.clone().unwrap_or_else(|| "*".to_owned());
        let allowed = if row.allowed { "yes" } else { "no" };
        table.push_record([resource, namespace, row.verb.clone(), allowed.to_owned(), row.why.clone()]);
    }
    writeln!(
        out,
        "{}",
        table.build().with(tabled::settings::Style::blank()).with(tabled::settings::Padding::new(0, 2, 0, 0))
    )
}
