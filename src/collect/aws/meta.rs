//! What a saved scope says about itself, beside its documents: `meta.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::aws::{AwsList, AwsScope};
use crate::model::{CoverageState, Str};

/// The file in the folder of a saved scope.
pub(crate) const META_FILE: &str = "meta.json";

/// Its `apiVersion` and `kind`.
pub(crate) const META_GVK: (&str, &str) = ("buildreach.dev/v1alpha1", "AwsScope");

/// What documents that look as the command line prints them cannot say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    api_version: String,
    kind: String,
    #[serde(default)]
    pub(crate) account: Str,
    #[serde(default)]
    pub(crate) region: Str,
    pub(crate) instant: jiff::Timestamp,
    /// Lists whose state the documents do not show; `null`: objects are there, and whether they are all is not known.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, Option<CoverageState>>,
    /// The documents beside this file that are of the same snapshot.
    #[serde(default)]
    pub(crate) files: Vec<String>,
}

impl Meta {
    /// What a scope says that its documents do not: `shown` are the lists that they show as read.
    pub(crate) fn new(scope: &AwsScope, instant: jiff::Timestamp, shown: &[AwsList], files: Vec<String>) -> Self {
        let mut lists = BTreeMap::new();
        for list in AwsList::ALL {
            let state = scope.read.get(list);
            let is_told = match state {
                Some(CoverageState::Read) => shown.contains(list),
                Some(_) => false,
                None => !shown.contains(list),
            };
            if !is_told {
                lists.insert(list.key().to_owned(), state.cloned());
            }
        }
        let (api_version, kind) = META_GVK;
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            account: scope.account.clone(),
            region: scope.region.clone(),
            instant,
            lists,
            files,
        }
    }

    /// Reads it; `None` where the text is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let meta: Self = serde_json::from_str(text).ok()?;
        ((meta.api_version.as_str(), meta.kind.as_str()) == META_GVK).then_some(meta)
    }

    /// How a list was read that a document of the same folder holds, and that looked like `state`.
    pub(super) fn correct(&self, list: AwsList, state: CoverageState) -> Option<CoverageState> {
        match self.lists.get(list.key()) {
            Some(told) if state == CoverageState::Read => told.clone(),
            _ => Some(state),
        }
    }

    /// Lists whose state it tells.
    pub(super) fn told(&self) -> impl Iterator<Item = (AwsList, &CoverageState)> {
        let list = |key: &str| AwsList::ALL.iter().copied().find(|list| list.key() == key);
        self.lists.iter().filter_map(move |(key, state)| Some((list(key)?, state.as_ref()?)))
    }
}
