//! A route's keys: its provider's, overlaid by its own.

use super::Compiler;
use crate::config::grammar::PROVIDER;
use crate::config::tree::{self, Table};
use crate::config::{catalogue, nearest, shape};

impl Compiler<'_> {
    /// The route's keys on top of its provider's. `None` when the provider is not known.
    pub(super) fn overlaid(&mut self, route: &Table, root: &Table) -> Option<Table> {
        let Some(node) = route.get("provider") else {
            return Some(route.clone());
        };
        let name = node.text()?;
        let own = root.table("provider").and_then(|table| table.table(name));
        let shipped = self.shipped(name);
        let provider = match (shipped, own) {
            (Some(shipped), Some(own)) => tree::overlay(&shipped, own),
            (Some(shipped), None) => shipped,
            (None, Some(own)) => own.clone(),
            (None, None) => {
                let own_names = root
                    .table("provider")
                    .map(|table| &*table.entries)
                    .unwrap_or_default();
                let known = catalogue::names();
                let known = known
                    .iter()
                    .copied()
                    .chain(own_names.iter().map(|entry| &*entry.name));
                let fix = match nearest::nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "`gatepost providers` lists the known ones; your own is a `[provider.{name}]` table"
                    ),
                };
                self.problems.error(
                    node.span,
                    format!("there is no provider `{name}`"),
                    "not a provider",
                    fix,
                );
                return None;
            }
        };
        let keys = tree::overlay(&provider, route);
        if keys.text("confidence") == Some("inferred") {
            self.problems.warning(
                node.span,
                format!("how `{name}` signs is inferred from what others saw, not documented"),
                "inferred",
                format!(
                    "read `gatepost providers {name}` and begin with `mode = \"observe\"`; \
                     once a delivery has passed, `confidence = \"documented\"` in the route says so"
                ),
            );
        }
        Some(keys)
    }

    /// A provider of the catalogue.
    fn shipped(&mut self, name: &str) -> Option<Table> {
        let text = catalogue::text(name)?;
        let id = self.files.add(format!("(built in) {name}.toml"), text);
        let (table, problems) = tree::parse(&self.files, id);
        self.problems.extend(problems);
        shape::check(&table, &PROVIDER, &mut self.problems);
        Some(table)
    }
}
