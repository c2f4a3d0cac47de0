//! The definitions in `crds/` are those of the types.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use buildreach::crd;

#[test]
fn the_files_are_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let definitions = crd::definitions().unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for definition in &definitions {
            fs::write(folder.join(&definition.file), &definition.yaml).unwrap();
        }
    }
    let expected: BTreeSet<_> = definitions.iter().map(|definition| definition.file.clone()).collect();
    let found: BTreeSet<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, expected);
    for definition in definitions {
        let text = fs::read_to_string(folder.join(&definition.file)).unwrap();
        assert!(text == definition.yaml, "{} differs: buildreach crds -O crds", definition.file);
    }
}

/// What an API server asks of a structural schema: a type everywhere, and none of the ways to say more than one thing.
#[test]
fn the_schemas_are_structural() {
    for definition in crd::definitions().unwrap() {
        let crd: serde_json::Value = serde_saphyr::from_str(&definition.yaml).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for (name, property) in schema["properties"].as_object().unwrap() {
            structural(property, name);
        }
        let version = &crd["spec"]["versions"][0];
        let has_status = version["schema"]["openAPIV3Schema"]["properties"]["status"].is_object();
        assert_eq!(version["subresources"]["status"].is_object(), has_status);
    }
}

fn structural(schema: &serde_json::Value, at: &str) {
    assert!(schema["type"].is_string(), "{at} has no type");
    for forbidden in ["$ref", "oneOf", "anyOf", "allOf", "definitions", "prefixItems"] {
        assert!(schema.get(forbidden).is_none(), "{at} holds {forbidden}");
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        structural(property, &format!("{at}.{name}"));
    }
    if schema["type"] == "array" {
        structural(&schema["items"], &format!("{at}[]"));
    }
}
