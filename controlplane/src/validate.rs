//! From the operator's words to a plan, with every complaint at once.
//!
//! Nothing here ends at a mistake: what cannot be understood is complained about and left out, so
//! that the rest is checked as well. The plan is served only when nothing was an error.

mod access;
mod budgets;
mod chains;
mod facts;
mod gateway;
pub(crate) mod health;
pub(crate) mod providers;
mod resorts;
mod rules;
mod vectors;
mod wording;

use crate::{
    catalogue::Catalogue,
    complaint::{self, Complaint, Complaints, Severity},
    document::{At, Document, Read, Reader},
    load::{self, Loaded},
    plan::Plan,
    reference::Surroundings,
};
use policy::limits;

/// What a check finds.
#[derive(Debug)]
pub struct Checked {
    /// What the policy means; only to be served when [`Complaints::refuse`] is false.
    pub plan: Plan,
    /// Everything that was found.
    pub complaints: Complaints,
}

/// Checks a policy that was loaded.
pub fn validate(loaded: &Loaded, from: &Surroundings) -> Checked {
    let mut reader = Reader::default();
    reader.complaints = loaded.complaints.clone();
    let document = match &loaded.tree {
        Some(tree) if matches!(tree.value, crate::tree::Value::Null) => {
            reader.push(Complaint::error(load::whole(), "the policy is empty").help("it needs at least a chain under `fallback.chains`"));
            None
        }
        Some(tree) => Document::read(tree, &mut reader),
        None => None,
    };
    let mut validator = Validator {
        from,
        catalogue: Catalogue::built_in(),
        out: reader.complaints,
        plan: Plan::default(),
        surrounding: None,
        failed: Default::default(),
        aliases: Default::default(),
        told: Default::default(),
        defaults: Default::default(),
        suggestions: 0,
    };
    if let Some(document) = document {
        // Errors so far may be the reason for what would look like further ones: a misspelt
        // `models` leaves a chain without targets. The whole is judged only by what was read.
        validator.document(&document);
    }
    Checked { plan: validator.plan, complaints: validator.out }
}

struct Validator<'a> {
    from: &'a Surroundings,
    catalogue: &'static Catalogue,
    out: Complaints,
    plan: Plan,
    /// What holds for every origin: the egress proxy, and further authorities.
    surrounding: Option<Surrounding>,
    /// Providers that were complained about, so that each use of them is not.
    failed: std::collections::HashSet<String>,
    /// Names from `models`.
    aliases: std::collections::HashMap<String, Alias>,
    /// What the policy says about models itself, by target.
    told: std::collections::HashMap<String, facts::Told>,
    /// What holds where a chain says nothing.
    defaults: crate::document::Defaults,
    /// How often a word was looked for that may have been meant.
    suggestions: usize,
}

type Surrounding = (Option<(String, u16)>, Option<Vec<u8>>);

/// A name from `models`.
#[derive(Clone)]
struct Alias {
    steps: Vec<crate::plan::Step>,
    /// Its sessions are kept over its steps, which is for the chain to say.
    ordered_sessions: bool,
}

impl Validator<'_> {
    fn document(&mut self, document: &Document) {
        if let Some(version) = &document.version
            && version.0 != 1
        {
            self.error(version, "there is only version 1 of this language").push();
        }
        self.defaults = document.defaults.as_ref().map(|at| at.value.clone()).unwrap_or_default();
        self.gateway(document);
        self.providers(document);
        self.models(document);
        self.chains(document);
        self.names_of_targets();
        self.canaries(document);
        self.tenants(document);
        self.routes(document);
        self.sizes(document);
        if self.plan.chains.is_empty() && self.out.count(Severity::Error) == 0 {
            let what = "the policy declares nothing that could answer a request";
            self.out.push(Complaint::error(load::whole(), what).help("declare `providers`, `models` or `fallback.chains`"));
        }
    }

    /// The tables' bounds, so that no sound plan is refused by the data plane.
    fn sizes(&mut self, document: &Document) {
        let span = document.fallback.as_ref().map_or(load::whole(), |fallback| fallback.span);
        let sizes = [
            ("tenants", self.plan.tenants.len(), limits::TENANTS_MAX),
            ("routes", self.plan.routes.len(), limits::ROUTES_MAX),
            ("chains, those made for single models included", self.plan.chains.len(), limits::CHAINS_MAX),
            ("targets", self.plan.targets.len(), limits::TARGETS_MAX),
            ("providers", self.plan.providers.len(), limits::PROVIDERS_MAX),
            ("names", self.plan.names.len(), limits::NAMES_MAX),
        ];
        for (what, count, max) in sizes {
            if count > max {
                self.out.push(Complaint::error(span, format!("{count} {what}, and there may be {max}")));
            }
        }
        let members = self.plan.chains.values().flat_map(|chain| &chain.steps).flat_map(|step| &step.members);
        let bytes: usize = members.map(|member| member.wording.size()).sum();
        if bytes > wording::WORDINGS_BYTES_MAX {
            let what =
                format!("`prefix`, `suffix` and `params` hold {bytes} bytes in all, and there may be {}", wording::WORDINGS_BYTES_MAX);
            self.out.push(Complaint::error(span, what));
        }
    }

    fn error<T>(&mut self, at: &At<T>, what: impl Into<String>) -> Saying<'_> {
        Saying { out: &mut self.out, complaint: Complaint::error(at.span, what) }
    }

    fn warning<T>(&mut self, at: &At<T>, what: impl Into<String>) -> Saying<'_> {
        Saying { out: &mut self.out, complaint: Complaint::warning(at.span, what) }
    }

    fn note<T>(&mut self, at: &At<T>, what: impl Into<String>) -> Saying<'_> {
        Saying { out: &mut self.out, complaint: Complaint::note(at.span, what) }
    }

    /// The number of a field, when it is within its bounds, and its default else.
    fn bounded<T: Copy + Into<Quantity>>(&mut self, field: &Option<At<T>>, what: &str, min: u64, max: u64, default: u64) -> u64 {
        let Some(at) = field else { return default };
        let quantity: Quantity = at.value.into();
        if (min..=max).contains(&quantity.number) {
            return quantity.number;
        }
        let shown = |number: u64| quantity.unit.show(number);
        self.error(at, format!("{what} must be within {} and {}", shown(min), shown(max))).push();
        default
    }

    /// A name that may stand in a request and in records.
    fn name_is_sound(&mut self, name: &At<String>, noun: &str) -> bool {
        let sound = !name.is_empty() && name.len() <= limits::NAME_BYTES_MAX && !name.chars().any(|c| c.is_control() || c == '*');
        if !sound {
            self.error(name, format!("the name of {noun} has 1 to {} printable characters, and no `*`", limits::NAME_BYTES_MAX)).push();
        }
        sound
    }

    /// The word that may have been meant. Looked for as often as complaints are shown, because a
    /// large policy can be wrong in ten thousand places, with as many words to compare each with.
    fn nearest<'w>(suggestions: &mut usize, word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
        *suggestions += 1;
        if *suggestions > complaint::SHOWN_MAX { None } else { complaint::nearest(word, words) }
    }
}

/// A complaint on its way.
struct Saying<'a> {
    out: &'a mut Complaints,
    complaint: Complaint,
}

impl Saying<'_> {
    fn help(mut self, mend: impl Into<String>) -> Self {
        self.complaint = self.complaint.help(mend);
        self
    }

    fn path(mut self, path: impl Into<String>) -> Self {
        self.complaint = self.complaint.at(path);
        self
    }

    fn push(self) {
        self.out.push(self.complaint);
    }
}

/// A number and how to show it.
struct Quantity {
    number: u64,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    Count,
    Duration,
    Size,
    Share,
}

impl Unit {
    fn show(self, number: u64) -> String {
        match self {
            Unit::Count => number.to_string(),
            Unit::Duration if number >= 3_600_000 && number.is_multiple_of(3_600_000) => format!("{}h", number / 3_600_000),
            Unit::Duration if number >= 1_000 && number.is_multiple_of(1_000) => format!("{}s", number / 1_000),
            Unit::Duration => format!("{number}ms"),
            Unit::Size if number >= 1 << 20 => format!("{}MiB", number >> 20),
            Unit::Size => format!("{number}B"),
            Unit::Share => format!("{}", number as f64 / 1000.0),
        }
    }
}

macro_rules! quantities {
    ($($type:ident $unit:ident;)*) => {$(
        impl From<crate::document::units::$type> for Quantity {
            fn from(value: crate::document::units::$type) -> Self {
                Quantity { number: value.0.into(), unit: Unit::$unit }
            }
        }
    )*};
}

quantities! {
    Count Count;
    Duration Duration;
    Millis Duration;
    Size Size;
    Share Share;
}

#[cfg(test)]
pub(crate) mod tests;
