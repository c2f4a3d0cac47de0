//! `cargo bench --bench engine`: set algebra, compile, evaluate, parse, whole audit, on shape L of the generator.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "common/mod.rs"]
mod common;

use std::hint::black_box;

use buildreach::collect::files;
use buildreach::demand::catalogue::Catalogue;
use buildreach::demand::{self, DemandOptions, ranges::Ranges};
use buildreach::model::{AddrSet, Family, Snapshot};
use buildreach::policy::PolicyIndex;
use buildreach::trace::audit::{Audit, Question};
use buildreach::trace::{Context, Profile};
use criterion::{Criterion, criterion_group, criterion_main};

fn texts(shape: common::Shape) -> Vec<(&'static str, String)> {
    let text = |write: &dyn Fn(&mut dyn std::io::Write)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        String::from_utf8(bytes).unwrap()
    };
    vec![
        ("namespaces.json", text(&|out| common::namespaces(shape, out).unwrap())),
        ("pods.json", text(&|out| common::pods(shape, out).unwrap())),
        ("policies.json", text(&|out| common::policies(shape, out).unwrap())),
    ]
}

fn read(texts: &[(&'static str, String)]) -> Snapshot {
    let borrowed: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    files::from_texts(&borrowed, &files::Options::default())
}

fn sets(c: &mut Criterion) {
    let ranges = Ranges::builtin();
    let aws = ranges.feed("aws").unwrap().v4.clone();
    let mut random = common::Random::new(common::SEED);
    let rules: Vec<AddrSet> = (0..1000)
        .map(|_| {
            let bits = 14 + u8::try_from(random.below(15)).unwrap();
            let address = std::net::Ipv4Addr::from(u32::try_from(random.next() >> 32).unwrap());
            AddrSet::net(ipnet::IpNet::new(address.into(), bits).unwrap().trunc())
        })
        .collect();
    c.bench_function("sets/1000 rules against the ranges of AWS", |b| {
        b.iter(|| rules.iter().map(|rule| black_box(&aws).intersection(rule).size()).sum::<u128>());
    });
    c.bench_function("sets/union of 1000 blocks", |b| {
        b.iter(|| rules.iter().fold(AddrSet::empty(Family::V4), |all, rule| all.union(black_box(rule))));
    });
}

fn stages(c: &mut Criterion) {
    let shape = common::SHAPES[2];
    let texts = texts(shape);
    let snapshot = read(&texts);
    let profile = Profile { cni: Some("upstream".into()), ..Profile::default() };
    let catalogue = Catalogue::builtin();
    let ranges = Ranges::builtin();
    let options = DemandOptions {
        all_pods: true,
        endpoints: demand::parse_endpoint_list(&common::endpoints()).unwrap(),
        ..DemandOptions::default()
    };
    let mut group = c.benchmark_group("L");
    group.sample_size(20);
    group.bench_function("parse", |b| b.iter(|| read(black_box(&texts))));
    group.bench_function("compile", |b| b.iter(|| PolicyIndex::new(black_box(&snapshot))));
    let context = Context::new(&snapshot, &profile);
    let demand = demand::build(&snapshot, &catalogue, &options);
    let question = Question::default();
    group.bench_function("evaluate every pod × 60 addresses", |b| {
        b.iter(|| Audit::new(black_box(&context), &demand, &ranges, &question).verdicts.len());
    });
    group.bench_function("audit of parsed facts", |b| {
        b.iter(|| {
            let context = Context::new(black_box(&snapshot), &profile);
            let demand = demand::build(&snapshot, &catalogue, &options);
            Audit::new(&context, &demand, &ranges, &question).verdicts.len()
        });
    });
    group.finish();
}

criterion_group!(benches, sets, stages);
criterion_main!(benches);
