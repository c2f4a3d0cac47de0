//! From profile, environment and bundle to clients.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{ProvideCredentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{Options, failure};

/// Attempts of one call: throttling is what a busy account answers with, and goes by.
const ATTEMPTS: u32 = 6;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Credentials and how to use them.
#[derive(Debug)]
pub(super) struct Account(SdkConfig);

impl Account {
    /// Asks the standard chain (environment, profile, SSO, web identity, container, instance) for credentials, once
    /// for the whole run. `region`: of the first thing that is read, where neither environment nor profile has one.
    pub(super) async fn open(options: &Options, region: Option<&str>) -> anyhow::Result<Self> {
        let mut profile_region = ProfileFileRegionProvider::builder();
        if let Some(profile) = &options.profile {
            profile_region = profile_region.profile_name(profile);
        }
        // The chain of the SDK would also ask an instance's metadata, and wait for one where there is none.
        let regions = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(profile_region.build())
            .or_else(region.map(|region| Region::new(region.to_owned())));
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(regions)
            .app_name(AppName::new(env!("CARGO_PKG_NAME"))?)
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build());
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(bundle) = &options.ca_bundle {
            loader = loader.http_client(http_client(bundle)?);
        }
        let config = loader.load().await;
        let provider = config.credentials_provider().ok_or_else(|| anyhow!("no AWS credentials"))?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            anyhow!(failure::chain(&error)).context(
                "no AWS credentials: set AWS_PROFILE or --aws-profile, sign in (`aws sso login`), or give the pod a role",
            )
        })?;
        let mut config = config.into_builder();
        config.set_credentials_provider(Some(SharedCredentialsProvider::new(credentials)));
        Ok(Self(config.build()))
    }

    /// The region of environment or profile.
    pub(super) fn region(&self) -> Option<&str> {
        self.0.region().map(AsRef::as_ref)
    }

    pub(super) fn ec2(&self, region: &str) -> Client {
        let mut config = aws_sdk_ec2::config::Builder::from(&self.0).region(Region::new(region.to_owned()));
        // Who says how often in the environment or the profile means it.
        let default = RetryConfig::standard().max_attempts();
        if self.0.retry_config().is_none_or(|retry| retry.max_attempts() == default) {
            config = config.retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        }
        Client::from_conf(config.build())
    }
}

/// A client that trusts the certificates of a bundle besides those of the system; otherwise as the SDK's own, proxies
/// of the environment included.
fn http_client(bundle: &Path) -> anyhow::Result<SharedHttpClient> {
    let name = || format!("--ca-bundle {}", bundle.display());
    let pem = fs::read(bundle).with_context(name)?;
    check(&pem).with_context(name)?;
    let store = TrustStore::default().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(store).build().with_context(name)?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    }))
}

/// The SDK takes certificates unseen and panics over them later.
fn check(pem: &[u8]) -> anyhow::Result<()> {
    let mut store = RootCertStore::empty();
    for (at, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let which = || format!("certificate {}", at + 1);
        store.add(certificate.with_context(which)?).with_context(which)?;
    }
    if store.is_empty() {
        bail!("it holds no certificate (PEM)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_bundle_is_looked_at_before_it_is_used() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(check(b"").unwrap_err().to_string().contains("no certificate"));
        assert_eq!(check(broken.as_bytes()).unwrap_err().to_string(), "certificate 1");
        assert!(check(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").is_err());
    }
}
