//! What must hold for any bytes. The fuzz targets and the test of the seeds share it.

use buildreach::collect::builder::Builder;
use buildreach::collect::files::{self, Options};
use buildreach::collect::json;
use buildreach::collect::snapshot_io;
use buildreach::model::object::WrittenSelector;
use buildreach::model::{Labels, Selector, Snapshot};

/// The file reader takes anything, and what it gives survives saving.
pub(crate) fn reader(data: &[u8]) {
    let names: &[&str] = if data.contains(&b'{') { &["a.yaml", "a.json"] } else { &["a.yaml", "kustomization.yaml"] };
    for name in names {
        let snapshot = files::from_bytes(&[(name, data), ("pod.yaml", POD)], &Options::default());
        assert!(snapshot.pods.iter().any(|pod| pod.meta.name == "always"), "no file loses another");
        let saved = serde_json::to_string(&snapshot).expect("a snapshot is JSON");
        let mut again: Snapshot = serde_json::from_str(&saved).expect("and comes back");
        again.aws = snapshot_io::aws_from_files(&snapshot_io::aws_files(&snapshot)).expect("and so does AWS");
        assert_eq!(format!("{snapshot:?}"), format!("{again:?}"), "unchanged");
    }
    let mut builder = Builder::live(jiff::Timestamp::UNIX_EPOCH);
    let _ = json::decode_list(data, 0, &mut builder, Some(("v1", "Pod")));
    let _ = builder.finish();
}

const POD: &[u8] = b"apiVersion: v1\nkind: Pod\nmetadata: {name: always, namespace: kept}\n";

/// Selectors: `\0` separates kubectl's grammar, JSON of a `LabelSelector`, and labels as `key=value` lines.
pub(crate) fn selector(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    let grammar = parts.next().unwrap_or_default();
    let json = parts.next().unwrap_or_default();
    let pairs = parts.next().unwrap_or_default().lines().filter_map(|line| line.split_once('='));
    let labels = Labels::new(pairs.map(|(key, value)| (key.into(), value.into())));
    let written: Option<WrittenSelector> = serde_json::from_str(json).ok();
    for selector in
        [Selector::parse(grammar).ok(), written.and_then(|written| written.selector().ok())].into_iter().flatten()
    {
        let matches = selector.matches(&labels);
        assert!(matches || !selector.is_everything(), "no requirement matches everything");
        if let Some((key, value)) = selector.required_pair() {
            let has = labels.get(key) == Some(value);
            assert!(has || !matches, "a match has the pair that the selector requires");
        }
        let written = selector.to_string();
        if let Ok(again) = Selector::parse(&written)
            && plain(&selector)
        {
            assert_eq!(again, selector, "`{written}` says the same");
        }
    }
}

/// Whether every word is one that a label may hold, so that the grammar can write it.
fn plain(selector: &Selector) -> bool {
    let word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
    };
    !selector.is_everything()
        && selector.requirements().iter().all(|r| word(&r.key) && r.values.iter().all(|v| word(v)))
}
