//! Which pipeline runs which kind.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::{
    Name,
    error::StartProblem,
    model::{FailureCause, Outcome, TaskRecord},
    pipeline::ErasedStage,
    retry,
    submission::is_good_name,
};

/// A pipeline as it was registered.
pub(crate) struct Registration {
    pub(crate) kind: Name,
    pub(crate) queue: Name,
    pub(crate) stages: Vec<ErasedStage>,
}

/// The registered pipelines, checked.
#[derive(Default)]
pub(crate) struct Registry {
    pipelines: HashMap<Name, Vec<ErasedStage>, RandomState>,
}

/// A stage at its place in the pipeline.
pub(crate) struct Place<'a> {
    pub(crate) stage: &'a ErasedStage,
    /// From 1.
    pub(crate) number: u32,
    pub(crate) count: u32,
    pub(crate) next: Option<&'a ErasedStage>,
}

impl Registry {
    /// Takes in the registrations and lists everything that is wrong with them.
    pub(crate) fn new(registrations: Vec<Registration>, problems: &mut Vec<StartProblem>) -> Self {
        let mut registry = Self::default();
        for Registration { kind, stages, .. } in registrations {
            check_name("kind", &kind, problems);
            for (index, stage) in stages.iter().enumerate() {
                check_name("stage", &stage.name, problems);
                if stages.iter().take(index).any(|earlier| earlier.name == stage.name) {
                    let (kind, stage) = (kind.clone(), stage.name.clone());
                    problems.push(StartProblem::DuplicateStage { kind, stage });
                }
                if let Err(problem) = stage.options.retry.check() {
                    let (kind, stage) = (kind.clone(), stage.name.clone());
                    problems.push(StartProblem::BadPolicy { kind, stage, problem });
                }
            }
            if registry.pipelines.insert(kind.clone(), stages).is_some() {
                problems.push(StartProblem::DuplicateKind(kind));
            }
        }
        registry
    }

    /// Returns whether some pipeline here has the stage a record is at.
    pub(crate) fn knows(&self, record: &TaskRecord) -> bool {
        self.pipelines.get(&record.kind).is_some_and(|stages| match &record.stage {
            None => true,
            Some(name) => stages.iter().any(|stage| stage.name == *name),
        })
    }

    /// Finds the stage a record is at, or says what becomes of a task nobody here can run.
    pub(crate) fn place(&self, record: &TaskRecord) -> Result<Place<'_>, Box<Outcome>> {
        let Some(stages) = self.pipelines.get(&record.kind) else {
            let message = format!("no runtime here has a pipeline for kind `{}`", record.kind);
            return Err(Box::new(retry::unknown(record, FailureCause::UnknownKind, message)));
        };
        let index = match &record.stage {
            None => Some(0),
            Some(name) => stages.iter().position(|stage| stage.name == *name),
        };
        let Some((index, stage)) = index.and_then(|index| Some((index, stages.get(index)?))) else {
            let name = record.stage.as_deref().unwrap_or("(first)");
            let message = format!("the pipeline of kind `{}` has no stage `{name}`", record.kind);
            return Err(Box::new(retry::unknown(record, FailureCause::UnknownStage, message)));
        };
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        Ok(Place {
            stage,
            number: number(index + 1),
            count: number(stages.len()),
            next: stages.get(index + 1),
        })
    }
}

/// Notes a name that no store would take.
pub(crate) fn check_name(what: &'static str, name: &Name, problems: &mut Vec<StartProblem>) {
    if !is_good_name(name) {
        problems.push(StartProblem::BadName { what, name: name.clone() });
    }
}
