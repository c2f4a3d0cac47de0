//! From flags, `$KUBECONFIG` and the pod's service account to a client.

use std::env;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http::{HeaderName, HeaderValue, Uri};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::LiveOptions;
use crate::model::words::one_line;

/// How long one request may take when `--request-timeout` does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client with what messages and reports call it.
pub(super) struct Connection {
    pub(super) client: Client,
    /// The context, or `in-cluster`.
    pub(super) name: String,
    pub(super) server: String,
    /// The context's namespace.
    pub(super) namespace: String,
    /// `None`: no limit.
    pub(super) timeout: Option<Duration>,
}

/// Makes the client; nothing is sent yet, but an exec plugin may run.
pub(super) async fn connect(options: &LiveOptions) -> anyhow::Result<Connection> {
    install_crypto_provider();
    let (name, mut config) = match kubeconfig(options)? {
        Some(kubeconfig) => from_kubeconfig(kubeconfig, options).await?,
        None => in_cluster(options)?,
    };
    impersonate(&mut config, options)?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.default_retry = options.retries;
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let namespace = config.default_namespace.clone();
    let plugin = plugin(&config.auth_info);
    let client = Client::try_from(config)
        .map_err(|e| anyhow!("cannot use the credentials of context `{name}`{plugin}: {}", describe(&e)))?;
    let timeout = match options.request_timeout {
        Some(Duration::ZERO) => None,
        Some(timeout) => Some(timeout),
        None => Some(DEFAULT_TIMEOUT),
    };
    Ok(Connection { client, name, server, namespace, timeout })
}

/// A client with these options: for what is not collecting.
///
/// # Errors
///
/// No cluster is configured, or the credentials cannot be used.
pub async fn client(options: &LiveOptions) -> anyhow::Result<Client> {
    Ok(connect(options).await?.client)
}

/// Where something is written: a client, the context's or the pod's namespace, and how long a request may take.
pub struct Target {
    /// The client.
    pub client: Client,
    /// The context's namespace, or that of the pod.
    pub namespace: String,
    timeout: Option<Duration>,
}

impl Target {
    /// Gives a request as long as `--request-timeout` says.
    ///
    /// # Errors
    ///
    /// What the request says, or that there was no answer.
    pub async fn within<T>(&self, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
        super::list::within(self.timeout, request).await
    }
}

/// A client with its namespace.
///
/// # Errors
///
/// As [`client`].
pub async fn target(options: &LiveOptions) -> anyhow::Result<Target> {
    let Connection { client, namespace, timeout, .. } = connect(options).await?;
    Ok(Target { client, namespace, timeout })
}

/// Which program gives the credentials, and what its kubeconfig says to who does not have it.
fn plugin(user: &AuthInfo) -> String {
    let Some(exec) = &user.exec else { return String::new() };
    let command = exec.command.as_deref().unwrap_or_default();
    match exec.install_hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty()) {
        Some(hint) => {
            format!(" from the plugin `{command}` ({})", hint.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        None => format!(" from the plugin `{command}`"),
    }
}

/// TLS needs one process-wide provider; whoever comes first installs it.
pub(super) fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

/// Whether flags, environment or files name a cluster at all; whether it answers is another question.
pub fn is_configured(options: &LiveOptions) -> bool {
    options.context.is_some()
        || options.server.is_some()
        || env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        || !matches!(kubeconfig(options), Ok(None))
}

/// The merged kubeconfig; `None` if there is no file at all.
fn kubeconfig(options: &LiveOptions) -> anyhow::Result<Option<Kubeconfig>> {
    if let Some(path) = &options.kubeconfig {
        return Ok(Some(read(path)?));
    }
    if let Some(list) = env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        let paths: Vec<_> = env::split_paths(&list).collect();
        return read_list(&paths);
    }
    match env::home_dir().map(|home| home.join(".kube").join("config")) {
        Some(path) if path.is_file() => Ok(Some(read(&path)?)),
        _ => Ok(None),
    }
}

/// Merges the files of a `$KUBECONFIG` list: the first to say something wins, and as in kubectl a
/// file that is not there is passed over.
fn read_list(paths: &[PathBuf]) -> anyhow::Result<Option<Kubeconfig>> {
    let mut merged: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let next = read(path)?;
        merged = Some(match merged {
            Some(first) => {
                first.merge(next).with_context(|| format!("cannot merge {} of $KUBECONFIG", path.display()))?
            }
            None => next,
        });
    }
    if merged.is_none() && paths.iter().any(|path| !path.as_os_str().is_empty()) {
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("no file of $KUBECONFIG exists: {}", names.join(", "));
    }
    Ok(merged)
}

fn read(path: &std::path::Path) -> anyhow::Result<Kubeconfig> {
    Kubeconfig::read_from(path).map_err(|e| anyhow!("cannot read kubeconfig {}: {}", path.display(), describe(&e)))
}

async fn from_kubeconfig(mut kubeconfig: Kubeconfig, options: &LiveOptions) -> anyhow::Result<(String, Config)> {
    let name = context_name(&kubeconfig, options)?;
    override_cluster(&mut kubeconfig, &name, options);
    let proxy = cluster_proxy(&kubeconfig, &name, options);
    let choice =
        KubeConfigOptions { context: Some(name.clone()), cluster: options.cluster.clone(), user: options.user.clone() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &choice)
        .await
        .map_err(|e| anyhow!("cannot use context `{name}`: {}", describe(&e)))?;
    // `proxy-url` is meant for this very cluster and always holds; a proxy from the environment
    // does not where `NO_PROXY` names the API server (not the proxy) or the server is this machine.
    if proxy.is_none() && no_proxy_from_env().bypasses(&config.cluster_url) {
        config.proxy_url = None;
    } else if let Some(proxy) = proxy {
        config.proxy_url = Some(proxy.parse().with_context(|| format!("`proxy-url` of context `{name}` is no URL"))?);
    }
    Ok((name, config))
}

fn context_name(kubeconfig: &Kubeconfig, options: &LiveOptions) -> anyhow::Result<String> {
    let known = || {
        let names: Vec<_> = kubeconfig.contexts.iter().map(|c| c.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let chosen = options.context.as_ref().or(kubeconfig.current_context.as_ref()).filter(|name| !name.is_empty());
    let Some(name) = chosen else {
        bail!("the kubeconfig has no current context; choose one with --context (contexts: {})", known());
    };
    if !kubeconfig.contexts.iter().any(|c| &c.name == name) {
        bail!("the kubeconfig has no context `{name}` (contexts: {})", known());
    }
    Ok(name.clone())
}

/// Applies `--server` and `--insecure-skip-tls-verify` to the entry that will be used.
fn override_cluster(kubeconfig: &mut Kubeconfig, context: &str, options: &LiveOptions) {
    let name = cluster_name(kubeconfig, context, options);
    for named in kubeconfig.clusters.iter_mut().filter(|c| Some(&c.name) == name.as_ref()) {
        let cluster = named.cluster.get_or_insert_default();
        if let Some(server) = &options.server {
            cluster.server = Some(server.clone());
        }
        if options.insecure_skip_tls_verify {
            cluster.insecure_skip_tls_verify = Some(true);
        }
    }
}

fn cluster_name(kubeconfig: &Kubeconfig, context: &str, options: &LiveOptions) -> Option<String> {
    options.cluster.clone().or_else(|| {
        let named = kubeconfig.contexts.iter().find(|c| c.name == context)?;
        Some(named.context.as_ref()?.cluster.clone())
    })
}

fn cluster_proxy(kubeconfig: &Kubeconfig, context: &str, options: &LiveOptions) -> Option<String> {
    let name = cluster_name(kubeconfig, context, options)?;
    let named = kubeconfig.clusters.iter().find(|c| c.name == name)?;
    named.cluster.as_ref()?.proxy_url.clone().filter(|url| !url.is_empty())
}

fn in_cluster(options: &LiveOptions) -> anyhow::Result<(String, Config)> {
    if env::var_os("KUBERNETES_SERVICE_HOST").is_none() || options.context.is_some() {
        bail!(
            "no kubeconfig found ($KUBECONFIG, ~/.kube/config) and this is no pod with a service account: \
             name one with --kubeconfig, give a folder of manifests, or try --demo"
        );
    }
    let mut config =
        Config::incluster().map_err(|e| anyhow!("cannot use the pod's service account: {}", describe(&e)))?;
    if let Some(server) = &options.server {
        config.cluster_url = server.parse().with_context(|| format!("--server {server} is no URL"))?;
    }
    config.accept_invalid_certs |= options.insecure_skip_tls_verify;
    // Inside the cluster bytes are cheap and decompression costs more than decoding.
    config.disable_compression = true;
    Ok(("in-cluster".to_owned(), config))
}

/// Sets the impersonation headers: flags first, else what the kubeconfig's user says.
fn impersonate(config: &mut Config, options: &LiveOptions) -> anyhow::Result<()> {
    let AuthInfo { impersonate, impersonate_uid, impersonate_groups, impersonate_user_extra, .. } = &config.auth_info;
    let by_flag = options.as_user.is_some() || !options.as_groups.is_empty() || options.as_uid.is_some();
    let (user, uid, groups) = if by_flag {
        (options.as_user.clone(), options.as_uid.clone(), options.as_groups.clone())
    } else {
        (impersonate.clone(), impersonate_uid.clone(), impersonate_groups.clone().unwrap_or_default())
    };
    let Some(user) = user.filter(|user| !user.is_empty()) else {
        if groups.is_empty() && uid.is_none() {
            return Ok(());
        }
        bail!("--as-group and --as-uid need --as");
    };
    let mut headers = vec![("impersonate-user".to_owned(), user)];
    headers.extend(uid.map(|uid| ("impersonate-uid".to_owned(), uid)));
    headers.extend(groups.into_iter().map(|group| ("impersonate-group".to_owned(), group)));
    if !by_flag {
        for (key, values) in impersonate_user_extra.iter().flatten() {
            headers.extend(values.iter().map(|v| (format!("impersonate-extra-{}", header_token(key)), v.clone())));
        }
    }
    for (name, value) in headers {
        let name = HeaderName::try_from(name).context("impersonation key is not usable as a header")?;
        let value = HeaderValue::try_from(value).context("impersonated name is not usable as a header")?;
        config.headers.push((name, value));
    }
    Ok(())
}

/// Keys of extra attributes are percent-encoded where a header name may not hold a character.
fn header_token(key: &str) -> String {
    use std::fmt::Write as _;

    let mut token = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            token.push(byte.to_ascii_lowercase() as char);
        } else {
            let _ = write!(token, "%{byte:02x}"); // writing to a String cannot fail
        }
    }
    token
}

fn no_proxy_from_env() -> NoProxy {
    let list = ["NO_PROXY", "no_proxy"].into_iter().filter_map(|name| env::var(name).ok()).find(|v| !v.is_empty());
    NoProxy(list.unwrap_or_default())
}

/// The `NO_PROXY` list as Go's `httpproxy` reads it.
struct NoProxy(String);

impl NoProxy {
    /// Whether requests to `server` go without the proxy that the environment names.
    fn bypasses(&self, server: &Uri) -> bool {
        let Some(host) = server.host() else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
            return true;
        }
        let port = server.port_u16().or(match server.scheme_str() {
            Some("http") => Some(80),
            _ => Some(443),
        });
        self.0.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
            let (name, entry_port) = split_port(entry);
            if entry_port.is_some() && entry_port != port {
                return false;
            }
            entry == "*" || matches_host(&name.to_ascii_lowercase(), &host, address)
        })
    }
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        // A second colon makes it an IPv6 address, unless brackets keep the port apart.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name.trim_start_matches('[').trim_end_matches(']'), Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn matches_host(entry: &str, host: &str, address: Option<IpAddr>) -> bool {
    if let Some(address) = address {
        return entry.parse::<ipnet::IpNet>().is_ok_and(|net| net.contains(&address))
            || entry.parse::<IpAddr>().is_ok_and(|one| one == address);
    }
    let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
    match entry.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => host == entry || host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// An error with its causes in one line; causes that repeat what was said are left out.
pub fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<kube::Error>() {
        // Its own text repeats the whole object in debug form.
        Some(kube::Error::Api(status)) => return one_line(&describe_status(status)),
        Some(kube::Error::Service(_) | kube::Error::HyperError(_)) => String::new(),
        _ => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(next) = cause {
        let part = next.to_string();
        if text.is_empty() {
            text = part;
        } else if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = next.source();
    }
    one_line(&text)
}

fn describe_status(status: &kube::core::Status) -> String {
    let what = if status.message.is_empty() { &status.reason } else { &status.message };
    match status.code {
        0 => what.clone(),
        code => format!("{what} ({code})"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn write(dir: &std::path::Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    const FIRST: &str = "apiVersion: v1\nkind: Config\ncurrent-context: one\n\
        contexts: [{name: one, context: {cluster: c, user: u, namespace: ci}}]\n";
    const SECOND: &str = "apiVersion: v1\nkind: Config\ncurrent-context: two\n\
        contexts: [{name: two, context: {cluster: c, user: u}}]\n\
        clusters: [{name: c, cluster: {server: 'https://192.0.2.1:6443'}}]\n\
        users: [{name: u, user: {token: t, as: alice, as-groups: [dev]}}]\n";

    #[tokio::test]
    async fn a_kubeconfig_list_merges_and_the_first_word_wins() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [
            PathBuf::new(),
            write(dir.path(), "first", FIRST),
            dir.path().join("missing"),
            write(dir.path(), "second", SECOND),
        ];
        let merged = read_list(&paths).unwrap().unwrap();
        assert_eq!(context_name(&merged, &LiveOptions::default()).unwrap(), "one");
        let (name, config) = from_kubeconfig(merged.clone(), &LiveOptions::default()).await.unwrap();
        assert_eq!((name.as_str(), config.default_namespace.as_str()), ("one", "ci"));
        assert_eq!(config.cluster_url, "https://192.0.2.1:6443/");

        let options = LiveOptions {
            context: Some("two".to_owned()),
            server: Some("https://192.0.2.9".to_owned()),
            insecure_skip_tls_verify: true,
            ..LiveOptions::default()
        };
        let (name, config) = from_kubeconfig(merged, &options).await.unwrap();
        assert_eq!((name.as_str(), config.default_namespace.as_str()), ("two", "default"));
        assert_eq!(config.cluster_url, "https://192.0.2.9/");
        assert!(config.accept_invalid_certs);
    }

    #[test]
    fn a_list_of_missing_files_is_an_error_that_names_them() {
        let error = read_list(&[PathBuf::from("/nowhere/a"), PathBuf::from("/nowhere/b")]).unwrap_err();
        assert_eq!(error.to_string(), "no file of $KUBECONFIG exists: /nowhere/a, /nowhere/b");
        assert!(read_list(&[PathBuf::new()]).unwrap().is_none());
    }

    #[test]
    fn an_unknown_context_lists_the_known_ones() {
        let kubeconfig = Kubeconfig::from_yaml(SECOND).unwrap();
        let options = LiveOptions { context: Some("prod".to_owned()), ..LiveOptions::default() };
        let error = context_name(&kubeconfig, &options).unwrap_err();
        assert_eq!(error.to_string(), "the kubeconfig has no context `prod` (contexts: two)");
        let error = context_name(&Kubeconfig::default(), &LiveOptions::default()).unwrap_err();
        assert!(error.to_string().contains("--context (contexts: none)"), "{error}");
    }

    #[test]
    fn an_answer_of_the_server_is_one_line() {
        let status = kube::core::Status {
            message: "storage is (re)initializing\n\tplease wait".to_owned(),
            code: 429,
            ..kube::core::Status::default()
        };
        assert_eq!(describe(&kube::Error::Api(Box::new(status))), "storage is (re)initializing please wait (429)");
    }

    fn headers(config: &Config) -> Vec<(&str, &str)> {
        config.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect()
    }

    #[tokio::test]
    async fn impersonation_comes_from_flags_else_from_the_user_entry() {
        let kubeconfig = Kubeconfig::from_yaml(SECOND).unwrap();
        let (_, mut config) = from_kubeconfig(kubeconfig.clone(), &LiveOptions::default()).await.unwrap();
        impersonate(&mut config, &LiveOptions::default()).unwrap();
        assert_eq!(headers(&config), [("impersonate-user", "alice"), ("impersonate-group", "dev")]);

        let options = LiveOptions { as_user: Some("bob".to_owned()), ..LiveOptions::default() };
        let (_, mut config) = from_kubeconfig(kubeconfig.clone(), &options).await.unwrap();
        impersonate(&mut config, &options).unwrap();
        assert_eq!(headers(&config), [("impersonate-user", "bob")]);

        let options = LiveOptions { as_groups: vec!["ops".to_owned()], ..LiveOptions::default() };
        assert!(impersonate(&mut config, &options).is_err());
        assert_eq!(header_token("Scopes/a b"), "scopes%2fa%20b");
    }

    #[test]
    fn no_proxy_is_matched_against_the_server() {
        let bypasses = |list: &str, server: &str| NoProxy(list.to_owned()).bypasses(&server.parse().unwrap());
        assert!(bypasses("", "https://127.0.0.1:6443"));
        assert!(bypasses("", "https://localhost"));
        assert!(!bypasses("", "https://10.0.0.1:6443"));
        assert!(bypasses("*", "https://10.0.0.1:6443"));
        assert!(bypasses("x, 10.0.0.0/8,", "https://10.0.0.1:6443"));
        assert!(bypasses("10.0.0.1", "https://10.0.0.1:6443"));
        assert!(bypasses("10.0.0.1:6443", "https://10.0.0.1:6443"));
        assert!(!bypasses("10.0.0.1:443", "https://10.0.0.1:6443"));
        assert!(bypasses("2001:db8::/32", "https://[2001:db8::1]:6443"));
        assert!(bypasses("[2001:db8::1]:6443", "https://[2001:db8::1]:6443"));
        assert!(bypasses("Example.org", "https://api.example.org"));
        assert!(bypasses("example.org", "https://example.org"));
        assert!(bypasses("*.example.org", "https://api.example.org"));
        assert!(!bypasses(".example.org", "https://example.org"));
        assert!(!bypasses("example.org", "https://badexample.org"));
    }
}
