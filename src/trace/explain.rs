//! One subject and one endpoint, layer by layer.

use super::audit::{Audit, Question};
use super::context::Context;
use super::results;
use crate::demand::Demand;
use crate::demand::ranges::Ranges;
use crate::model::Doubt;
use crate::model::report::{API_VERSION, Explanation};

/// The trace of the first subject of a demand to the endpoint that the user asked about.
pub fn explain(context: &Context<'_>, demand: &Demand, ranges: &Ranges, question: &Question) -> Option<Explanation> {
    let audit = Audit::new(context, demand, ranges, question);
    let result = results::results(&audit).into_iter().next()?;
    let subject = result.class.subjects.into_iter().next()?;
    // As the subject means it: a short name was completed.
    let asked = demand.requirements(demand.subjects.first()?).iter().filter(|r| r.ecosystem.is_none());
    let asked: Vec<_> = asked.map(|r| (&r.endpoint.host, r.endpoint.port)).collect();
    let has = |e: &&crate::model::report::EndpointInfo| asked.contains(&(&e.host, e.port));
    let path = result.class.paths.into_iter().find(|path| path.endpoints.iter().any(|e| has(&e)))?;
    let endpoint = path.endpoints.iter().find(has)?.clone();
    let doubts: Vec<Doubt> = path.trace.steps.iter().flat_map(|s| s.doubts.iter().cloned()).collect();
    Some(Explanation {
        api_version: API_VERSION.into(),
        kind: "Explanation".into(),
        subject,
        endpoint,
        outcome: path.outcome,
        trace: path.trace,
        doubts,
    })
}
