//! One subject and one endpoint, layer by layer.

use super::audit::{Audit, Question};
use super::context::Context;
use super::results;
use crate::demand::ranges::Ranges;
use crate::demand::{Demand, Endpoint};
use crate::model::Doubt;
use crate::model::report::{API_VERSION, Explanation};

/// The trace of the first subject of a demand to an endpoint that it was asked about.
pub fn explain(
    context: &Context<'_>,
    demand: &Demand,
    ranges: &Ranges,
    question: &Question,
    endpoint: &Endpoint,
) -> Option<Explanation> {
    let audit = Audit::new(context, demand, ranges, question);
    let result = results::results(&audit).into_iter().next()?;
    let subject = result.class.subjects.into_iter().next()?;
    let has = |e: &&crate::model::report::EndpointInfo| e.host == endpoint.host && e.port == endpoint.port;
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
