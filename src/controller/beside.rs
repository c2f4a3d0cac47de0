//! Those who write beside the status: each on its own, so that a slow one keeps nobody waiting, and always about the
//! latest evaluation.

use std::sync::Arc;

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::annotate::Annotator;
use super::lease::Role;
use super::reports::Keeper;
use super::told::Told;
use super::{Metrics, Options, events};

/// They run until this is dropped.
pub(super) struct Beside {
    told: watch::Sender<Option<Arc<Told>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Beside {
    /// Starts them.
    pub(super) fn start(
        client: &Client,
        metrics: &Arc<Metrics>,
        options: &Options,
        role: &watch::Receiver<Role>,
    ) -> Self {
        let (sender, told) = watch::channel(None);
        let (namespaces, identity) = (&options.namespaces, options.lease.as_ref().map(|lease| lease.identity.clone()));
        let reports = Keeper::new(client.clone(), Arc::clone(metrics), namespaces, options.reports);
        let annotator = Annotator::new(client.clone(), Arc::clone(metrics), namespaces, options.annotate);
        let events = events::tell(client.clone(), Arc::clone(metrics), identity, told.clone(), role.clone());
        let tasks = vec![
            tokio::spawn(reports.keep(told.clone(), role.clone())),
            tokio::spawn(annotator.keep(told, role.clone())),
            tokio::spawn(events),
        ];
        Self { told: sender, tasks }
    }

    /// Tells an evaluation.
    pub(super) fn tell(&self, told: Told) {
        self.told.send_replace(Some(Arc::new(told)));
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
    }
}
