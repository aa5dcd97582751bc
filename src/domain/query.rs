use mortar_actors::Fault;

use super::bucket::PlanLimits;
use super::plan::Plan;

/// Reads a whole plan from a query such as `width=800&format=webp`.
///
/// # Errors
/// `Invalid`, naming the parameter, or when the query asks for no transform at all.
pub fn parse_plan(query: &str, limits: PlanLimits) -> Result<Plan, Fault> {
    todo!("{query} {limits:?}")
}
