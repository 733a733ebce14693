//! Names that many tasks share, kept once: kinds, queues, tenants and stages.
//!
//! A task keeps four bytes for each of them instead of a string. Names are never forgotten, so the
//! table grows with the number of different names, not with the number of tasks.

use std::{collections::HashMap, num::NonZeroU32};

use artos_core::{Name, model::WorkerId};
use foldhash::fast::RandomState;

/// Stands for a name in [`Names`]; an absent one costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol(NonZeroU32);

/// All names seen so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    symbols: HashMap<Name, Symbol, RandomState>,
    texts: Vec<Name>,
    workers: Vec<WorkerId>,
}

/// Stands for a worker in [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerSymbol(NonZeroU32);

impl Names {
    /// Returns the symbol of a name, which is new if the name is.
    pub(crate) fn intern(&mut self, name: &Name) -> Symbol {
        if let Some(symbol) = self.symbols.get(name) {
            return *symbol;
        }
        self.texts.push(name.clone());
        // Four billion different names would need hundreds of gigabytes, so this cannot saturate.
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let symbol = Symbol(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX));
        self.symbols.insert(name.clone(), symbol);
        symbol
    }

    /// Returns the symbol of a name that was seen before.
    pub(crate) fn find(&self, name: &Name) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }

    /// Returns the name a symbol stands for.
    pub(crate) fn text(&self, symbol: Symbol) -> Name {
        usize::try_from(symbol.0.get() - 1)
            .ok()
            .and_then(|index| self.texts.get(index))
            .map_or_else(|| Name::from_static(""), Name::clone)
    }

    /// Returns the symbol of a worker, which is new if the worker is.
    pub(crate) fn intern_worker(&mut self, worker: WorkerId) -> WorkerSymbol {
        // There are few, and it is nearly always one of the last.
        let known = self.workers.iter().rposition(|known| *known == worker);
        let index = known.unwrap_or_else(|| {
            self.workers.push(worker);
            self.workers.len() - 1
        });
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        WorkerSymbol(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX))
    }

    /// Returns the worker a symbol stands for.
    pub(crate) fn worker(&self, symbol: WorkerSymbol) -> Option<WorkerId> {
        self.workers.get(usize::try_from(symbol.0.get() - 1).ok()?).copied()
    }
}
