//! A progress bar, for people only.

use std::io::{self, IsTerminal as _};

use artos_store_sled::offline::Headway;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how far something has come, if anybody watches.
pub(crate) struct Bar {
    bar: ProgressBar,
    doing: &'static str,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::no_length();
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar, doing: "" }
    }

    pub(crate) fn show(&mut self, headway: Headway) {
        if self.doing != headway.doing {
            self.doing = headway.doing;
            let template = match headway.total {
                Some(_) => "{msg} {wide_bar} {pos}/{len} {eta}",
                None => "{msg} {spinner} {pos}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.set_message(headway.doing);
        }
        if let Some(total) = headway.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(headway.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
