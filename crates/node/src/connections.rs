//! Connections: topics that are not Gemelli's own and mean events of twins all the same.

use gemelli_broker::Publish;
use gemelli_engine::{Definitions, View};
use gemelli_event::Body;
use std::sync::Arc;

/// The mappings of the definitions that are in force.
#[derive(Default)]
pub struct Connections;

/// What a publication means by a mapping.
pub struct Mapped {
    /// The event, or why there is none: code and text.
    pub body: Result<Body, (&'static str, String)>,
    /// The client's connection says whether the twin is bound.
    pub binds: bool,
}

impl Connections {
    /// Takes up the mappings of new definitions.
    pub fn follow(&self, definitions: &Arc<Definitions>) {
        let _ = definitions;
    }

    /// What a publication means; none if no mapping wants its topic.
    pub fn map(&self, view: &View, publish: &Publish) -> Option<Mapped> {
        let _ = (view, publish);
        None
    }
}
