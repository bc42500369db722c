//! `throwover models`: what is known of every model that a policy asks, or that the catalogue lists.

use crate::{
    catalogue::{Catalogue, Facts},
    legible,
    reference::Surroundings,
    socket::Answer,
    verbs::{self, Arguments},
};
use codec::dialect::Needs;
use policy::{Model, Thinking};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One line of the list.
struct Row {
    provider: String,
    model: String,
    /// The catalogue lists it.
    listed: bool,
    facts: Facts,
}

/// Columns of needs, in the order in which they are shown.
const NEEDS: &[(&str, Needs)] = &[
    ("IMAGE", Needs::IMAGE),
    ("AUDIO", Needs::AUDIO),
    ("PDF", Needs::DOCUMENT),
    ("TOOLS", Needs::TOOLS),
    ("SCHEMA", Needs::SCHEMA),
    ("LOGPROBS", Needs::LOGPROBS),
];

/// Lists them.
pub fn models(arguments: &Arguments) -> Answer {
    let rows = if arguments.contains_key("all") { Ok(listed()) } else { asked(arguments, &Surroundings::real()) };
    match rows {
        Ok(rows) => Answer::new(table(&rows), rows.iter().map(value).collect()),
        Err(answer) => answer,
    }
}

fn listed() -> Vec<Row> {
    let catalogue = Catalogue::built_in();
    let row = |(provider, model): (&str, &str)| Row {
        provider: provider.to_owned(),
        model: model.to_owned(),
        listed: true,
        facts: catalogue.facts(provider, model),
    };
    catalogue.models().map(row).collect()
}

fn asked(arguments: &Arguments, from: &Surroundings) -> Result<Vec<Row>, Answer> {
    let catalogue = Catalogue::built_in();
    let plan = verbs::plan_of(&verbs::policy_file(arguments), from)?;
    let row = |target: crate::plan::Target| match target.model {
        Model::Named(model) => {
            let listed = catalogue.model(&target.provider, &model).is_some();
            Some(Row { provider: target.provider, model, listed, facts: target.facts })
        }
        Model::Rest => None,
    };
    Ok(plan.targets.into_values().filter_map(row).collect())
}

impl Row {
    fn lacks(&self) -> Needs {
        Needs::from_bits(self.facts.understands.lacks)
    }

    /// What is not lacked is had where the model is listed; elsewhere nobody knows.
    fn has(&self, need: Needs) -> &'static str {
        match (self.lacks().has(need), self.listed) {
            (true, _) => "no",
            (false, true) => "yes",
            (false, false) => "?",
        }
    }

    fn thinks(&self) -> &'static str {
        match (self.facts.understands.thinking, self.facts.reasoning) {
            (Thinking::None, _) => "no",
            (Thinking::Effort, _) => "effort",
            (Thinking::Budget, _) => "budget",
            (Thinking::Unknown, true) => "yes",
            (Thinking::Unknown, false) => self.has(Needs::REASONING),
        }
    }
}

fn table(rows: &[Row]) -> String {
    let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 1);
    let mut heads = vec!["PROVIDER", "MODEL", "CONTEXT", "OUTPUT", "IN", "OUT", "CACHED", "VECTORS"];
    heads.extend(NEEDS.iter().map(|(head, _)| *head));
    heads.extend(["THINKS", "RETIRES", "LACKS"]);
    lines.push(heads.into_iter().map(str::to_owned).collect());
    for row in rows {
        let facts = &row.facts;
        let number = |count: Option<u32>| count.map_or("?".to_owned(), |count| count.to_string());
        let price = |of: fn(policy::Price) -> u64| facts.price.map_or("?".to_owned(), |price| dollars(of(price)));
        let mut line = vec![
            legible::line(&row.provider).into_owned(),
            legible::line(&row.model).into_owned(),
            number(facts.context_window),
            number(facts.understands.output_max),
            price(|price| price.input),
            price(|price| price.output),
            facts.cached.map_or("-".to_owned(), dollars),
            lengths(&facts.understands),
        ];
        line.extend(NEEDS.iter().map(|(_, need)| row.has(*need).to_owned()));
        line.push(row.thinks().to_owned());
        line.push(facts.retires.clone().unwrap_or_else(|| "-".to_owned()));
        let sampling = if facts.understands.sampling_fixed { "sampling" } else { "" };
        let lacks: Vec<&str> = row.lacks().words().chain(Some(sampling).filter(|word| !word.is_empty())).collect();
        line.push(if lacks.is_empty() { "-".to_owned() } else { lacks.join(",") });
        lines.push(line);
    }
    aligned(&lines)
}

/// How many numbers the vectors of a model for embeddings have: `1536`, and `..1536` where they can be fewer.
fn lengths(understands: &policy::Understands) -> String {
    match (understands.dimensions, understands.shortens_from) {
        (Some(length), Some(own)) if length != own => format!("{length}..{own}"),
        (Some(length), Some(_)) => format!("..{length}"),
        (Some(length), None) => length.to_string(),
        (None, _) => "-".to_owned(),
    }
}

/// Columns as wide as their widest entry; the last one is as long as it is.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let padded = line.iter().zip(&widths).map(|(entry, width)| format!("{entry:<width$}")).collect::<Vec<_>>().join("  ");
        writeln!(text, "{}", padded.trim_end()).expect("a String grows");
    }
    text
}

/// Dollars of millionths of one, with as many decimals as it takes and two at least: `0.075`, `2.00`.
pub(crate) fn dollars(millionths: u64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    let zeros = text.bytes().rev().take(4).take_while(|byte| *byte == b'0').count();
    text[..text.len() - zeros].to_owned()
}

fn value(row: &Row) -> Value {
    let facts = &row.facts;
    let understands = &facts.understands;
    let usd = |millionths: u64| millionths as f64 / 1e6;
    let lacks: Vec<&str> = row.lacks().words().collect();
    json!({
        "provider": row.provider, "model": row.model, "listed": row.listed,
        "context_window": facts.context_window, "max_output": understands.output_max,
        "dimensions": understands.dimensions, "shortens_from": understands.shortens_from,
        "usd_per_million": {
            "in": facts.price.map(|price| usd(price.input)), "out": facts.price.map(|price| usd(price.output)),
            "cached_in": facts.cached.map(usd), "cache_write": facts.cache_write.map(usd),
        },
        "thinks": row.thinks(), "sampling_fixed": understands.sampling_fixed, "lacks": lacks, "retires": facts.retires,
    })
}

#[cfg(test)]
mod tests;
