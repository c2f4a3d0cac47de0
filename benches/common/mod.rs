//! A seeded synthetic cluster: the same bytes for the same shape, everywhere.
//!
//! Shapes follow `docs/performance.md`: a share of namespaces builds, labels mix a few shared ones with one or
//! two that are unique to a pod, and policies are a default denial with DNS for each namespace plus a mixture.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::Ipv4Addr;

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub pods: u32,
    pub namespaces: u32,
    pub policies: u32,
}

pub const SHAPES: [Shape; 4] = [
    Shape { name: "S", pods: 500, namespaces: 20, policies: 100 },
    Shape { name: "M", pods: 2_000, namespaces: 50, policies: 300 },
    Shape { name: "L", pods: 10_000, namespaces: 200, policies: 1_000 },
    Shape { name: "XL", pods: 150_000, namespaces: 2_000, policies: 10_000 },
];

pub const SEED: u64 = 7;

/// Steele, Lea and Flood's SplitMix64: tiny, and good enough to spread a test cluster.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u32) -> u32 {
        u32::try_from((u128::from(self.next()) * u128::from(n)) >> 64).unwrap_or(0)
    }

    /// Small numbers more often than large ones.
    pub fn skewed(&mut self, n: u32) -> u32 {
        self.below(n).min(self.below(n))
    }
}

const TIERS: [&str; 3] = ["frontend", "backend", "data"];

fn purpose(namespace: u32) -> &'static str {
    ["build", "ci", "data", "system", "app"][namespace.min(4) as usize % 5]
}

fn namespace(n: u32) -> String {
    format!("{}-{n}", purpose(n % 5))
}

/// Namespaces as an API list.
pub fn namespaces(shape: Shape, out: &mut dyn Write) -> io::Result<()> {
    list(out, "v1", "NamespaceList", shape.namespaces, |n, text| {
        let name = namespace(n);
        write!(
            text,
            r#"{{"metadata":{{"name":"{name}","uid":"{:032x}","labels":{{"kubernetes.io/metadata.name":"{name}","purpose":"{}","team":"team-{}"}}}},"status":{{"phase":"Active"}}}}"#,
            u128::from(n) * 7919,
            purpose(n % 5),
            n % 40
        )
    })
}

/// Policies as an API list.
pub fn policies(shape: Shape, out: &mut dyn Write) -> io::Result<()> {
    let mut random = Random::new(SEED);
    list(out, "networking.k8s.io/v1", "NetworkPolicyList", shape.policies, |n, text| {
        let owner = if n < shape.namespaces { n } else { random.skewed(shape.namespaces) };
        write!(
            text,
            r#"{{"metadata":{{"name":"policy-{n}","namespace":"{}","resourceVersion":"{n}"}},"spec":"#,
            namespace(owner)
        )?;
        let app = random.below(30);
        match if n < shape.namespaces { 0 } else { 1 + random.below(6) } {
            0 => text.write_str(r#"{"podSelector":{},"policyTypes":["Ingress","Egress"],"egress":[{"to":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"kube-system"}},"podSelector":{"matchLabels":{"k8s-app":"kube-dns"}}}],"ports":[{"protocol":"UDP","port":53},{"protocol":"TCP","port":53}]}]}"#)?,
            1 => write!(text, r#"{{"podSelector":{{"matchLabels":{{"app":"app-{app}"}}}},"policyTypes":["Egress"],"egress":[{{"to":[{{"ipBlock":{{"cidr":"0.0.0.0/0","except":["10.0.0.0/8","172.16.0.0/12","192.168.0.0/16"]}}}}],"ports":[{{"protocol":"TCP","port":443}}]}}]}}"#)?,
            2 => {
                text.write_str(r#"{"podSelector":{"matchExpressions":[{"key":"role","operator":"In","values":["build","runner"]}]},"policyTypes":["Egress"],"egress":[{"to":["#)?;
                for i in 0..5 + random.below(60) {
                    let bits = 14 + random.below(15);
                    let address = u32::try_from(random.next() >> 32).unwrap_or(0) & (u32::MAX << (32 - bits));
                    let comma = if i > 0 { "," } else { "" };
                    write!(text, r#"{comma}{{"ipBlock":{{"cidr":"{}/{bits}"}}}}"#, Ipv4Addr::from(address))?;
                }
                text.write_str(r#"],"ports":[{"protocol":"TCP","port":443}]}]}"#)?;
            }
            3 => write!(text, r#"{{"podSelector":{{"matchLabels":{{"tier":"{}"}}}},"policyTypes":["Egress"],"egress":[{{"to":[{{"ipBlock":{{"cidr":"10.{}.{}.0/24"}}}}],"ports":[{{"protocol":"TCP","port":3128}}]}}]}}"#, TIERS[app as usize % 3], random.below(255), random.below(255))?,
            4 => write!(text, r#"{{"podSelector":{{"matchLabels":{{"app":"app-{app}"}}}},"policyTypes":["Ingress"],"ingress":[{{"from":[{{"namespaceSelector":{{"matchLabels":{{"purpose":"system"}}}}}}],"ports":[{{"protocol":"TCP","port":8080}}]}}]}}"#)?,
            5 => text.write_str(r#"{"podSelector":{"matchExpressions":[{"key":"tier","operator":"NotIn","values":["frontend"]},{"key":"app","operator":"Exists"}]},"policyTypes":["Egress"],"egress":[{"to":[{"namespaceSelector":{"matchLabels":{"purpose":"data"}},"podSelector":{"matchLabels":{"tier":"data"}}}],"ports":[{"protocol":"TCP","port":5432}]}]}"#)?,
            _ => write!(text, r#"{{"podSelector":{{"matchLabels":{{"app":"app-{app}"}}}},"policyTypes":["Egress"],"egress":[{{"ports":[{{"protocol":"TCP","port":8000,"endPort":9000}}]}}]}}"#)?,
        }
        text.write_char('}')
    })
}

/// Running pods as an API list, with the bulk that a real one has.
pub fn pods(shape: Shape, out: &mut dyn Write) -> io::Result<()> {
    let mut random = Random::new(SEED + 1);
    list(out, "v1", "PodList", shape.pods, |n, text| {
        let owner = if n % 2 == 0 { random.below(shape.namespaces) } else { random.skewed(shape.namespaces) };
        let builds = matches!(purpose(owner % 5), "build" | "ci");
        let app = random.below(14);
        let name = format!("{}-{app}-{n:06x}", if builds { "runner" } else { "app" });
        let role = if builds { ["build", "runner"][app as usize % 2] } else { "web" };
        let (a, b, c) = (n / 62_500, n / 250 % 250, n % 250 + 1);
        write!(
            text,
            r#"{{"metadata":{{"name":"{name}","namespace":"{}","uid":"{:032x}","labels":{{"app":"app-{app}","tier":"{}","role":"{role}","pod-template-hash":"{:x}","unique":"{n}"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-{app}","controller":true,"uid":"x"}}],"managedFields":[{{"manager":"kube-controller-manager","operation":"Update","fieldsV1":{{"f:metadata":{{"f:labels":{{".":{{}},"f:app":{{}},"f:tier":{{}}}}}},"f:spec":{{"f:containers":{{"k:{{\"name\":\"main\"}}":{{".":{{}},"f:image":{{}},"f:env":{{}}}}}}}}}}}}]}}"#,
            namespace(owner),
            u128::from(n) << 3,
            TIERS[app as usize % 3],
            n / 10
        )?;
        write!(
            text,
            r#","spec":{{"nodeName":"node-{}","containers":[{{"name":"main","image":"{}","env":[{{"name":"GOPROXY","value":"https://proxy.golang.org,direct"}}],"ports":[{{"name":"http","containerPort":8080}}],"volumeMounts":[{{"name":"kube-api-access-{n:05x}","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}}],"resources":{{"requests":{{"cpu":"100m","memory":"128Mi"}}}}}}],"tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}]}}"#,
            n % 500,
            if builds { "golang:1.26" } else { "registry.example/app:1" }
        )?;
        write!(
            text,
            r#","status":{{"phase":"Running","conditions":[{{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}}],"hostIP":"192.168.{}.{}","podIP":"10.{}.{b}.{c}","podIPs":[{{"ip":"10.{}.{b}.{c}"}}]}}}}"#,
            n % 500 / 250,
            n % 250,
            128 + a,
            128 + a
        )
    })
}

fn list(
    out: &mut dyn Write,
    version: &str,
    kind: &str,
    count: u32,
    mut item: impl FnMut(u32, &mut String) -> std::fmt::Result,
) -> io::Result<()> {
    write!(out, r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{{"resourceVersion":"1"}},"items":["#)?;
    let mut text = String::new();
    for n in 0..count {
        text.clear();
        if n > 0 {
            text.push(',');
        }
        item(n, &mut text).map_err(io::Error::other)?;
        out.write_all(text.as_bytes())?;
    }
    out.write_all(b"]}\n")
}

/// Sixty destinations, `IP PORT` a line.
pub fn endpoints() -> String {
    let mut random = Random::new(SEED + 2);
    let mut text = String::new();
    for i in 0..60u32 {
        let address = Ipv4Addr::from(u32::try_from(random.next() >> 32).unwrap_or(0) | 0x2000_0000);
        let port = [443, 443, 443, 80, 8443][i as usize % 5];
        let _ = writeln!(text, "{address} {port}");
    }
    text
}
