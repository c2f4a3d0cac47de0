//! DNS answers for names whose addresses nobody publishes (`--resolve`).
//!
//! An answer is a sample: another place, another minute, other addresses. It never counts as the whole.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context as _;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;

use crate::model::Str;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the system's resolver for both families of every name; names without an answer are left out.
pub async fn resolve(hosts: &[Str]) -> anyhow::Result<BTreeMap<Str, Vec<IpAddr>>> {
    let mut builder = TokioResolver::builder_tokio().context("cannot read the system's DNS configuration")?;
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = TIMEOUT;
    options.attempts = 1;
    ask(&builder.build().context("cannot start the DNS resolver")?, hosts).await
}

async fn ask(resolver: &TokioResolver, hosts: &[Str]) -> anyhow::Result<BTreeMap<Str, Vec<IpAddr>>> {
    let mut answers = BTreeMap::new();
    let mut questions = tokio::task::JoinSet::new();
    for host in hosts {
        let (resolver, host) = (resolver.clone(), host.clone());
        questions.spawn(async move {
            // The final dot keeps search domains out.
            let name = format!("{}.", host.trim_end_matches('.'));
            let found = resolver.lookup_ip(name).await.map(|answer| answer.iter().collect::<Vec<_>>());
            (host, found)
        });
    }
    while let Some(done) = questions.join_next().await {
        let (host, found) = done.context("a lookup was cancelled")?;
        match found {
            Ok(mut ips) => {
                ips.sort_unstable();
                ips.dedup();
                answers.insert(host, ips);
            }
            Err(error) => tracing::info!("no answer for {host}: {error}"),
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{Ipv4Addr, SocketAddr};

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use tokio::net::UdpSocket;

    use super::*;

    /// A server on loopback that answers every question for an A record with one address, and others with none.
    async fn server() -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0u8; 512];
            for _ in 0..16 {
                let Ok((length, from)) = socket.recv_from(&mut buffer).await else { return };
                let _ = socket.send_to(&answer(&buffer[..length]), from).await;
            }
        });
        address
    }

    /// RFC 1035: the question with an answer section; 192.0.2.7 for type A.
    fn answer(question: &[u8]) -> Vec<u8> {
        let name_end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 1;
        let is_a = question[name_end..name_end + 2] == [0, 1];
        let mut reply = question[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
        reply.extend(&question[12..name_end + 4]);
        if is_a {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
        }
        reply
    }

    #[tokio::test]
    async fn answers_come_from_the_resolver_and_silence_is_left_out() {
        let address = server().await;
        let mut connection = ConnectionConfig::udp();
        connection.port = address.port();
        let server = NameServerConfig::new(address.ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, vec![], vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let resolver = builder.build().unwrap();
        let answers = ask(&resolver, &["registry.example".into()]).await.unwrap();
        assert_eq!(answers["registry.example"], ["192.0.2.7".parse::<IpAddr>().unwrap()]);
    }
}
