//! Chains drawn at random.

use super::common::pki::{self, Extension, Key, Spec};
use super::{Case, NOW, setting};

/// A generator of numbers that needs no library (SplitMix64).
struct Draw {
    state: u64,
    /// How rarely something odd is drawn: some chains have one flaw, some have many.
    calm: usize,
}

impl Draw {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// Below a limit, low numbers less often in calm chains.
    fn oddly(&mut self, limit: usize) -> usize {
        self.below(limit * self.calm)
    }

    /// One time in so many.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A CA: its name in several spellings, and its key.
struct Ca {
    name: String,
    key: usize,
}

struct Keys(Vec<Key>);

impl Keys {
    fn new() -> Self {
        let mut keys: Vec<Key> = (0..8).map(|_| Key::p256()).collect();
        keys.extend([Key::p384(), Key::ed25519(), Key::rsa()]);
        Self(keys)
    }
}

fn ca_name(draw: &mut Draw, name: &str) -> Vec<u8> {
    let spelling = match draw.oddly(30) {
        0 => (0x13, name.to_owned()),
        1 => (0x0c, name.to_uppercase()),
        2 => (0x0c, format!(" {} ", name.replace(' ', "  "))),
        _ => (0x0c, name.to_owned()),
    };
    pki::name(&[(pki::O, 0x0c, "Corp".to_owned()), (pki::CN, spelling.0, spelling.1)])
}

fn dates(draw: &mut Draw, spec: &mut Spec) {
    match draw.oddly(24) {
        0 => "20260501000000Z".clone_into(&mut spec.until),
        1 => "20260701000000Z".clone_into(&mut spec.from),
        2 => "20260601000000Z".clone_into(&mut spec.until),
        3 => "20260601000000Z".clone_into(&mut spec.from),
        4 => "99991231235959Z".clone_into(&mut spec.until),
        _ => {}
    }
}

const CONSTRAINTS: &[(&str, &str)] = &[
    ("DNS", "example.com"),
    ("DNS", ".example.com"),
    ("DNS", "com"),
    ("DNS", ""),
    ("DNS", "a.example.com"),
    ("DNS", "other.org"),
    ("net", "192.0.2.0/24"),
    ("net", "10.0.0.0/8"),
    ("net", "2001:db8::/32"),
    ("email", "example.com"),
    ("email", ".example.com"),
    ("email", "me@example.com"),
    ("URI", "example.com"),
    ("URI", ".example.com"),
    ("dir", "a.example.com"),
];

fn constraints(draw: &mut Draw) -> Extension {
    let mut trees = || -> Vec<(&str, &str)> { (0..draw.below(3)).map(|_| *draw.pick(CONSTRAINTS)).collect() };
    let (permitted, excluded) = (trees(), trees());
    let mut extension = pki::name_constraints(&permitted, &excluded);
    extension.critical = !draw.one_in(3);
    extension
}

/// Extensions of other kinds, well-formed and not.
const OTHERS: &[(&str, &[u8])] = &[
    ("2.5.29.32", &[0x30, 6, 0x30, 4, 6, 2, 0x2a, 3]),
    ("2.5.29.32", &[0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0]),
    ("2.5.29.32", &[0x30, 5, 0x30, 4, 6, 2, 0x2a, 3]),
    ("2.5.29.33", &[0x30, 10, 0x30, 8, 6, 2, 0x2a, 3, 6, 2, 0x2a, 4]),
    ("2.5.29.33", &[0x30, 12, 0x30, 10, 6, 4, 0x55, 0x1d, 0x20, 0, 6, 2, 0x2a, 4]),
    ("2.5.29.36", &[0x30, 3, 0x80, 1, 0]),
    ("2.5.29.36", &[0x30, 3, 0x80, 1, 1]),
    ("2.5.29.36", &[0x30, 3, 0x81, 1, 0]),
    ("2.5.29.36", &[0x30, 6, 0x80, 1, 0, 0x81, 1, 0]),
    ("2.5.29.54", &[2, 1, 0]),
    ("2.5.29.54", &[2, 1, 0xff]),
    ("2.5.29.31", &[0x30, 0]),
    ("2.5.29.31", &[0x30, 13, 0x30, 11, 0xa0, 9, 0xa0, 7, 0x86, 5, b'h', b't', b't', b'p', b':']),
    ("2.5.29.31", &[0x30, 4, 0x30, 2, 0x81, 0]),
    ("2.5.29.31", &[4, 0]),
    ("1.3.6.1.5.5.7.1.1", &[0x30, 0]),
    ("1.3.6.1.5.5.7.1.1", &[0x30, 2, 4, 0]),
    ("2.5.29.18", &[0x30, 3, 0x82, 1, b'x']),
    ("2.16.840.1.113730.1.1", &[3, 2, 5, 0xa0]),
    ("2.16.840.1.113730.1.1", &[3, 2, 1, 6]),
    ("1.3.6.1.5.5.7.48.1.5", &[5, 0]),
    ("2.5.29.30", &[0x30, 0]),
    ("2.5.29.19", &[0x30, 0]),
    ("2.5.29.19", &[0x30, 3, 1, 1, 1]),
    ("2.5.29.19", &[0x30, 6, 1, 1, 0xff, 2, 1, 0xff]),
    ("2.5.29.15", &[3, 1, 0]),
    ("2.5.29.15", &[3, 2, 0, 6]),
    ("2.5.29.17", &[0x30, 0]),
    ("2.5.29.17", &[0x30, 5, 0x87, 3, 1, 2, 3]),
    ("2.5.29.17", &[0x30, 3, 0x82, 1, 0xe4]),
    ("2.5.29.37", &[0x30, 0]),
    ("1.3.6.1.5.5.7.1.14", &[0x30, 12, 0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 21, 1]),
];

fn odd(draw: &mut Draw, spec: &mut Spec, leaf: bool) {
    match draw.oddly(80) {
        0 => spec.serial = vec![0x80, 1],
        1 => spec.extensions.push(pki::extension("1.3.6.1.4.1.99999.1", true, vec![5, 0])),
        2 => spec.extensions.push(pki::extension("1.3.6.1.4.1.99999.1", false, vec![5, 0])),
        3 => spec.broken = true,
        4 => {
            if let Some(first) = spec.extensions.first().cloned() {
                spec.extensions.push(first);
            }
        }
        5 => spec.version = 0,
        6 => spec.extensions.push(pki::extension("2.5.29.32", draw.one_in(2), pki::sequence(&[]))),
        7 => spec.outer_algorithm = Some(pki::sequence(&[pki::oid("1.2.840.10045.4.3.4")])),
        8 => spec.extensions.iter_mut().for_each(|extension| extension.critical = true),
        // OpenSSL loads nothing from a file that holds such a one.
        9 if leaf => spec.serial = vec![0, 0, 1],
        10 => spec.extensions.push(pki::extension("2.5.29.36", true, pki::sequence(&[pki::tlv(0x80, &[0])]))),
        11 => spec.subject = pki::sequence(&[]),
        12 => {
            let at = draw.below(spec.extensions.len().max(1));
            if let Some(extension) = spec.extensions.get_mut(at) {
                extension.value.pop();
            }
        }
        13 => spec.version = 1,
        14 => spec.extensions.push(pki::extension("2.5.29.14", false, pki::tlv(4, &[]))),
        15..=20 => {
            let at = draw.below(spec.extensions.len().max(1));
            let Some(extension) = spec.extensions.get_mut(at) else { return };
            let at = draw.below(extension.value.len());
            match draw.below(3) {
                0 => extension.value[at] ^= 1 << draw.below(8),
                1 => extension.value[at] = u8::try_from(draw.below(256)).unwrap(),
                _ => extension.value.insert(at, 0),
            }
        }
        21..=26 => {
            let (oid, value) = *draw.pick(OTHERS);
            spec.extensions.push(pki::extension(oid, draw.one_in(2), value.to_vec()));
        }
        27 if leaf => {
            let tag = *draw.pick(&[0x13, 0x16, 0x12, 0x14, 0x1e, 0x1a, 2, 4]);
            spec.subject = pki::name(&[(pki::CN, tag, "a*b@c".to_owned())]);
        }
        _ => {}
    }
}

fn key_ids(draw: &mut Draw, spec: &mut Spec, subject: usize, issuer: usize) {
    let id = |key: usize| [7, u8::try_from(key).unwrap()];
    match draw.oddly(8) {
        0 => {}
        1 => spec.extensions.push(pki::subject_key_id(&[1, 2, 3])),
        _ => spec.extensions.push(pki::subject_key_id(&id(subject))),
    }
    match draw.oddly(12) {
        0 | 1 => {}
        2 => spec.extensions.push(pki::authority_key_id(&[4, 5, 6])),
        3 => {
            let names = pki::tlv(0xa1, &pki::tlv(0xa4, &pki::common_name("somebody")));
            let value = pki::sequence(&[names, pki::tlv(0x82, &[1])]);
            spec.extensions.push(pki::extension("2.5.29.35", false, value));
        }
        _ => spec.extensions.push(pki::authority_key_id(&id(issuer))),
    }
}

fn ca_spec(draw: &mut Draw, subject: &Ca, issuer: &Ca) -> Spec {
    let mut spec = Spec::new(ca_name(draw, &subject.name), ca_name(draw, &issuer.name));
    spec.serial = vec![u8::try_from(1 + draw.below(100)).unwrap()];
    match draw.oddly(20) {
        0 => {}
        1 => spec.extensions.push(pki::basic_constraints(true, false, None)),
        2 => spec.extensions.push(pki::basic_constraints(false, true, None)),
        3 | 4 => spec.extensions.push(pki::basic_constraints(true, true, Some(0))),
        5 => spec.extensions.push(pki::basic_constraints(true, true, Some(1))),
        _ => spec.extensions.push(pki::basic_constraints(true, true, None)),
    }
    match draw.oddly(12) {
        0 => spec.extensions.push(pki::key_usage(0x80)),
        1 | 2 => {}
        _ => spec.extensions.push(pki::key_usage(0x06)),
    }
    match draw.oddly(16) {
        0 => spec.extensions.push(pki::ext_key_usage(&[pki::CLIENT_AUTH])),
        1 => spec.extensions.push(pki::ext_key_usage(&[pki::SERVER_AUTH, pki::CLIENT_AUTH])),
        2 => spec.extensions.push(pki::ext_key_usage(&[pki::ANY_USAGE])),
        _ => {}
    }
    if draw.oddly(8) == 0 {
        spec.extensions.push(constraints(draw));
    }
    if draw.one_in(30) {
        spec.extensions.push(pki::alternative_names(&[("DNS", "ca.example.com")]));
    }
    key_ids(draw, &mut spec, subject.key, issuer.key);
    dates(draw, &mut spec);
    odd(draw, &mut spec, false);
    spec
}

const NAMES: &[(&str, &str)] = &[
    ("DNS", "a.example.com"),
    ("DNS", "*.example.com"),
    ("DNS", "A.EXAMPLE.com"),
    ("DNS", "a*.example.com"),
    ("DNS", "*.com"),
    ("DNS", "b.example.com"),
    ("DNS", "a.example.com."),
    ("DNS", "a_b.example.com"),
    ("DNS", "192.0.2.1"),
    ("DNS", "*"),
    ("DNS", ""),
    ("IP", "192.0.2.1"),
    ("IP", "2001:db8::1"),
    ("email", "me@example.com"),
    ("email", "nonsense"),
    ("URI", "https://a.example.com/"),
    ("URI", "urn:x"),
    ("dir", "a.example.com"),
];

const ASKED: &[&str] = &[
    "a.example.com",
    "a.example.com",
    "a.example.com",
    "A.Example.COM",
    "b.example.com",
    "ab.example.com",
    "a_b.example.com",
    "example.com",
    "192.0.2.1",
    "2001:db8::1",
    "a.example.com.",
    "xn--a.example.com",
];

fn leaf_spec(draw: &mut Draw, issuer: &Ca, key: usize) -> Spec {
    let subject = match draw.below(8) {
        0 => pki::sequence(&[]),
        1 => pki::name(&[
            (pki::CN, 0x0c, "first.example.com".to_owned()),
            (pki::CN, 0x1e, "\0a\0.\0e\0x\0.\0c\0o\0m".to_owned()),
        ]),
        2 => pki::common_name("Some Server"),
        3 => pki::common_name("*.example.com"),
        4 => pki::name(&[
            (pki::CN, 0x0c, "a.example.com".to_owned()),
            ("1.2.840.113549.1.9.1", 0x16, "x@example.com".to_owned()),
        ]),
        _ => pki::common_name("a.example.com"),
    };
    let mut spec = Spec::new(subject, ca_name(draw, &issuer.name));
    if draw.oddly(6) != 0 {
        let mut names: Vec<(&str, &str)> = (0..draw.below(4)).map(|_| *draw.pick(NAMES)).collect();
        if draw.oddly(3) != 0 {
            names.push(("DNS", "a.example.com"));
        }
        let mut extension = pki::alternative_names(&names);
        extension.critical = draw.one_in(5);
        spec.extensions.push(extension);
    }
    match draw.oddly(10) {
        0 => spec.extensions.push(pki::basic_constraints(true, true, None)),
        1 | 2 => spec.extensions.push(pki::basic_constraints(true, false, None)),
        3 => spec.extensions.push(pki::basic_constraints(true, false, Some(0))),
        _ => {}
    }
    match draw.oddly(8) {
        0 => spec.extensions.push(pki::key_usage(0x20)),
        1 => spec.extensions.push(pki::key_usage(0x80)),
        2 => spec.extensions.push(pki::key_usage(0x04)),
        _ => {}
    }
    match draw.oddly(10) {
        0 => spec.extensions.push(pki::ext_key_usage(&[pki::CLIENT_AUTH])),
        1 => spec.extensions.push(pki::ext_key_usage(&[pki::ANY_USAGE])),
        2 => spec.extensions.push(pki::ext_key_usage(&["1.3.6.1.4.1.99999.2"])),
        3..=6 => spec.extensions.push(pki::ext_key_usage(&[pki::SERVER_AUTH])),
        _ => {}
    }
    key_ids(draw, &mut spec, key, issuer.key);
    dates(draw, &mut spec);
    odd(draw, &mut spec, true);
    spec
}

/// A chain of one to three CAs above a leaf, with side branches; then pieces are taken away, repeated and shuffled.
fn random(draw: &mut Draw, keys: &Keys) -> Case {
    let depth = 1 + draw.below(3);
    let mut cas: Vec<Ca> = Vec::new();
    for level in 0..=depth {
        let key = draw.below(keys.0.len());
        cas.push(Ca { name: format!("CA {level}"), key });
    }
    let sign = |spec: &Spec, subject: usize, issuer: usize| spec.sign(&keys.0[subject], &keys.0[issuer]);
    let mut cas_der: Vec<Vec<u8>> = Vec::new();
    for level in 0..depth {
        let (subject, issuer) = (&cas[level], &cas[level.saturating_sub(1)]);
        let spec = ca_spec(draw, subject, issuer);
        cas_der.push(sign(&spec, subject.key, issuer.key));
    }
    let issuer = &cas[depth - 1];
    let leaf_key = draw.below(keys.0.len());
    let leaf = if draw.one_in(40) {
        let own = Ca { name: issuer.name.clone(), key: leaf_key };
        let mut spec = ca_spec(draw, &own, &own);
        spec.extensions.push(pki::alternative_names(&[("DNS", "a.example.com")]));
        sign(&spec, leaf_key, leaf_key)
    } else {
        sign(&leaf_spec(draw, issuer, leaf_key), leaf_key, issuer.key)
    };
    // Branches: cross-signs by another root, renewed certificates of the same CA, the same name with another key.
    let mut side: Vec<Vec<u8>> = Vec::new();
    let mut side_roots: Vec<Vec<u8>> = Vec::new();
    for _ in 0..draw.below(4) {
        let level = draw.below(depth);
        match draw.below(4) {
            0 => {
                let other = Ca { name: format!("Other {}", draw.below(2)), key: draw.below(keys.0.len()) };
                let cross = ca_spec(draw, &cas[level], &other);
                side.push(sign(&cross, cas[level].key, other.key));
                let root = ca_spec(draw, &other, &other);
                side_roots.push(sign(&root, other.key, other.key));
            }
            1 => {
                let issuer = &cas[level.saturating_sub(1)];
                let again = ca_spec(draw, &cas[level], issuer);
                side.push(sign(&again, cas[level].key, issuer.key));
            }
            2 => {
                let key = draw.below(keys.0.len());
                let namesake = Ca { name: cas[level].name.clone(), key };
                let root = ca_spec(draw, &namesake, &namesake);
                side_roots.push(sign(&root, key, key));
            }
            _ => {
                // Two CAs that sign each other.
                let (one, two) = (&cas[level], &cas[draw.below(depth)]);
                let cross = ca_spec(draw, one, two);
                side.push(sign(&cross, one.key, two.key));
            }
        }
    }
    let mut store = Vec::new();
    if draw.oddly(10) != 0 {
        store.push(cas_der[0].clone());
    }
    if draw.one_in(8) {
        store.push(draw.pick(&cas_der).clone());
    }
    if draw.one_in(25) {
        store.push(leaf.clone());
    }
    let mut sent: Vec<Vec<u8>> = cas_der[1..].iter().rev().cloned().collect();
    if draw.one_in(5) {
        sent.push(cas_der[0].clone());
    }
    for root in side_roots {
        if draw.one_in(2) { store.push(root) } else { sent.push(root) }
    }
    for cross in side {
        if draw.one_in(3) { store.push(cross) } else { sent.push(cross) }
    }
    if draw.one_in(3) {
        for at in (1..sent.len()).rev() {
            sent.swap(at, draw.below(at + 1));
        }
    }
    if draw.oddly(10) == 0 && !sent.is_empty() {
        sent.remove(draw.below(sent.len()));
    }
    if draw.one_in(2) {
        store.reverse();
    }
    let mut chain = vec![leaf];
    chain.extend(sent);
    Case { label: String::new(), chain, store, name: (*draw.pick(ASKED)).to_owned(), at: NOW }
}

/// So many chains.
pub(crate) fn draw_cases(count: u64) -> Vec<Case> {
    let keys = Keys::new();
    let seed = setting("TRUST_SEED", 20_261_130);
    let one = |at: u64| {
        let calm = [1, 1, 4, 10][usize::try_from(at % 4).unwrap()];
        let mut draw = Draw { state: seed.wrapping_mul(1_000_003).wrapping_add(at), calm };
        Case { label: format!("seed {seed} case {at}"), ..random(&mut draw, &keys) }
    };
    (0..count).map(one).collect()
}
