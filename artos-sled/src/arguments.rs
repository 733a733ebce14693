//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  artos-sled info artos-data/tasks              what the store holds, and how large it is
  artos-sled verify artos-data/tasks            is everything as it should be?
  artos-sled export artos-data/tasks | jq .id   all tasks, one line of JSON each
  artos-sled compact artos-data/tasks           give unused space back to the disk

The folder is the store's own: document-service, for one, keeps its tasks in `tasks` below the
folder it was given. The program that uses the store has to be stopped first. To try something
out, copy the folder while no program has it open, and work on the copy.

Exit codes:
  0  everything is fine
  1  verify or export found something wrong, or the store refused; stderr says why
  2  the command line makes no sense";

/// Looks after an embedded store of artos that no program has open.
#[derive(Debug, Parser)]
#[command(name = "artos-sled", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows what a store holds, and how large it is.
    #[command(after_help = "\
Examples:
  artos-sled info artos-data/tasks
  artos-sled info --json artos-data/tasks | jq .counts.pending")]
    Info(Looking),

    /// Checks everything in a store and lists all that is wrong with it.
    ///
    /// Reads every byte of every task, and changes none of it. Exits with 1 if anything is wrong,
    /// so that a script can check a backup.
    #[command(after_help = "\
Examples:
  artos-sled verify artos-data/tasks
  artos-sled verify --json backup/tasks > bad.json || mail -s 'bad backup' me@example.org")]
    Verify(Looking),

    /// Writes all tasks with their payloads, one line of JSON each.
    ///
    /// A payload is {"json": ...} exactly as it was stored, or {"base64": "..."} if it is not JSON
    /// in one line. Tasks that cannot be read are left out and listed, and the program exits
    /// with 1.
    #[command(after_help = "\
Examples:
  artos-sled export artos-data/tasks > tasks.jsonl
  artos-sled export artos-data/tasks | jq -c 'select(.state == \"failed\") | {id, failure}'")]
    Export(Export),

    /// Writes a store anew, so that its files are about as large as what they hold.
    ///
    /// Needs free space for about two and a half times what the store holds, and says how much that
    /// is. The old files go only when the new ones are complete, checked and on the disk: the
    /// program may be killed, and the machine may lose its power, at any moment.
    #[command(after_help = "\
Example:
  artos-sled compact artos-data/tasks")]
    Compact(Folder),

    /// Goes on with a store that came back older than what it had acknowledged.
    ///
    /// A store refuses to open when changes are missing that it had acknowledged, or when it cannot
    /// tell. If there is no better backup, this takes it as it is. What is missing stays missing:
    /// tasks that were submitted last may be gone, and tasks that were done last may run again.
    #[command(after_help = "\
Example:
  cp -a artos-data/tasks before           a copy to look at later
  artos-sled verify artos-data/tasks      is what is there at least sound?
  artos-sled accept artos-data/tasks")]
    Accept(Folder),
}

#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The folder of the store.
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Looking {
    /// The folder of the store.
    pub(crate) path: PathBuf,

    /// Prints JSON for programs instead of text for people.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The folder of the store.
    pub(crate) path: PathBuf,

    /// Writes to this file, which must not exist yet, instead of the standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
