//! What is asked of a running instance: `status`, `why`, `tail`, `reload`.

mod connection;
mod reload;
mod status;
mod tail;
mod why;

pub(super) use reload::run as reload;
pub(super) use status::run as status;
pub(super) use tail::{Arguments as TailArguments, run as tail};
pub(super) use why::{Arguments as WhyArguments, run as why};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// For machines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Where the instance's admin listener is, if not where the configuration says
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<String>,
}
