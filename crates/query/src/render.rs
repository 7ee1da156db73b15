//! How twins and relationships look in an answer: the surface's business.

use gemelli_engine::TwinRef;
use gemelli_event::record::Edge;
use gemelli_model::Value;

/// Shows twins and relationships, as objects whose own members begin with a dollar.
///
/// Conditions are decided on the view itself; what is shown is read for `$etag` of a relationship and
/// for members of `$metadata` other than `$model` only.
pub trait Render {
    /// A whole twin: `$dtId`, `$etag`, `$metadata`, its properties.
    fn twin(&self, twin: &TwinRef) -> Value;

    /// A whole relationship: `$relationshipId`, `$sourceId`, `$targetId`, `$relationshipName`,
    /// `$etag`, its properties.
    fn relationship(&self, edge: &Edge) -> Value;
}
