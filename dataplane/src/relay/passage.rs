//! How a request goes to a provider: as it came, or said anew in the provider's language.
//!
//! What is said anew is written from the body as it was held, and long stretches of that are sent
//! from where they lie. Nothing is awaited meanwhile, so that a shard holds one such text at a time.

use super::{Agreed, Scene, Summary, count, embeddings};
use crate::{body::Body, current::Policy, held::Held, shard::Shard, surface::Surface, wants::Question, wire::Wire};
use codec::{
    dialect::{
        self, Dialect, Manner, Means, Needs, Piece, Quirks, Rope, Terms, Thinking, Tree, Written,
        compact::{self, Compacted},
        gemini, holds_foreign_seal,
    },
    head,
};
use engine::{exchange::Exchange, judge::Transport, prepared};
use policy::limits;

/// The version of Anthropic's API that requests are written for when their client names none.
const ANTHROPIC_VERSION: &[u8] = b"2023-06-01";

/// What has a meaning only where it stands, and would be lost in another wording of the same language.
const LITERAL: Needs = Needs::PROVIDER_TOOLS.and(Needs::STATE).and(Needs::OWN).and(Needs::AUDIO_OUT).and(Needs::IMAGE_OUT);

/// A request in other words.
pub(super) struct Anew {
    written: Written,
    /// What the answer is read with.
    pub(super) terms: Agreed,
    /// What was left out, so that it fits.
    pub(super) compacted: Option<Compacted>,
}

impl Scene<'_> {
    /// True when the provider's language is not the client's.
    pub(super) fn translates(&self) -> bool {
        self.at.dialect() != self.surface.dialect()
    }

    /// The provider's language, and the client's.
    pub(super) fn dialects(&self) -> (Dialect, Dialect) {
        (self.at.dialect(), self.surface.dialect())
    }

    /// True when the request is said anew, in whichever language.
    fn rewrites(&self) -> bool {
        self.translates() || self.surface.generates() && (self.differs() || self.may_drop())
    }

    /// The target wants other words in the same language.
    fn differs(&self) -> bool {
        let provider = &self.policy.providers[self.attempt.provider];
        self.bytes_max.is_some() || self.wording.is_some() || provider.quirks != 0 || self.has_foreign_seals()
    }

    /// The chain lets go of parameters that the model cannot be told, of which there may be some.
    fn may_drop(&self) -> bool {
        self.body.facts().rich && !self.dropped().is_empty()
    }

    /// What is left out because the model cannot be told.
    fn dropped(&self) -> Needs {
        if !self.policy.chains[self.chain].drop_params {
            return Needs::NONE;
        }
        let foreign = if self.translates() { dialect::lacks(self.at.dialect()) } else { Needs::NONE };
        Needs::DROPPABLE.common(Needs::from_bits(self.policy.targets[self.attempt.target].understands.lacks).and(foreign))
    }

    /// Another provider's seals were passed to the client as if they were this one's.
    fn has_foreign_seals(&self) -> bool {
        let may = matches!(self.surface, Surface::Messages | Surface::Responses | Surface::Generate | Surface::StreamGenerate);
        may && holds_foreign_seal(self.body.held.slices())
    }

    /// What is known of the model that is asked.
    pub(super) fn means(&self) -> Means<'_> {
        let target = &self.policy.targets[self.attempt.target];
        let provider = &self.policy.providers[self.attempt.provider];
        let understands = &target.understands;
        Means {
            model: self.model,
            output_max: understands.output_max.map(u64::from),
            thinking: match understands.thinking {
                policy::Thinking::Unknown => Thinking::Unknown,
                policy::Thinking::None => Thinking::None,
                policy::Thinking::Effort => Thinking::Effort,
                policy::Thinking::Budget => Thinking::Budget,
            },
            sampling_fixed: understands.sampling_fixed,
            quirks: Quirks::from_bits(provider.quirks),
            dropped: self.dropped(),
            prefix: self.wording.and_then(|wording| wording.prefix.as_deref()),
            suffix: self.wording.and_then(|wording| wording.suffix.as_deref()),
            set: self.wording.and_then(|wording| wording.set.as_deref()),
            seed: self.asked.id.0,
        }
    }

    /// How the answer is written for the client.
    pub(super) fn manner(&self, terms: Terms) -> Manner {
        Manner {
            seed: self.asked.id.0,
            created: self.shard.io.wall().0 / 1_000_000,
            model: self.model.into(),
            include_usage: self.body.facts().include_usage,
            input_estimate: self.body.facts().prompt_bytes / limits::BYTES_PER_TOKEN,
            terms,
        }
    }
}

/// The request in other words; `None` when it goes as it came.
///
/// # Errors
/// It is none that could be said otherwise.
pub(super) fn anew(scene: &Scene<'_>, summary: Option<&Summary>) -> Result<Option<Anew>, Transport> {
    if scene.surface.embeds() {
        return embeddings::anew(scene);
    }
    if scene.surface.counts() {
        return count::anew(scene);
    }
    if !scene.rewrites() {
        return Ok(None);
    }
    let mut joined = Vec::new();
    let source = contiguous(&scene.body.held, &mut joined);
    let mut tree = Tree::new();
    let root = tree.read(source).map_err(|_| Transport::Unreadable)?;
    let stream = scene.stream;
    let mut prompt = match dialect::read_prompt(scene.surface.dialect(), root, stream) {
        Ok(prompt) => prompt,
        // The provider knows its own language best, and may understand it all the same.
        Err(_) if !scene.translates() => return Ok(None),
        Err(_) => return Err(Transport::Unreadable),
    };
    let means = scene.means();
    let plain = !scene.differs() && prompt.needs.common(means.dropped).is_empty();
    if !scene.translates() && (plain || !prompt.needs.common(LITERAL).is_empty()) {
        return Ok(None);
    }
    let keep_turns = scene.policy.chains[scene.chain].compact.map_or(0, |compact| compact.keep_turns.into());
    let compacted = scene.bytes_max.map(|bytes_max| match summary.and_then(Summary::text) {
        Some(text) => compact::compact_with(&mut prompt, keep_turns, bytes_max, text),
        None => compact::compact(&mut prompt, keep_turns, bytes_max),
    });
    let mut rope = Rope::new(source, Vec::with_capacity(source.len().min(limits::BODY_INLINE_BYTES) + 512));
    let to = scene.at.dialect();
    dialect::write_prompt(to, &prompt, &means, &mut rope);
    // An answer in the client's own language goes as it comes.
    let terms = scene.translates().then(|| Box::new(Terms::of(&prompt, to, &means)));
    Ok(Some(Anew { written: rope.finish(), terms, compacted }))
}

/// Readies a body of Gemini's for other languages, when one of the chain's targets needs it: see
/// [`gemini::use_common_base64`].
pub(crate) fn prepare(shard: &Shard, policy: &Policy, body: &mut Body<'_>, surface: Surface, exchange: &Exchange) {
    let foreign = |target| {
        let target = &policy.targets[target];
        !prepared::speaks(&policy.providers[target.provider], target).any(surface.spoken())
    };
    let gemini = surface.dialect() == Dialect::Gemini && !surface.embeds();
    if !gemini || !exchange.candidates().iter().any(|candidate| foreign(candidate.target)) {
        return;
    }
    let mut text = Vec::with_capacity(body.held.len());
    body.held.write(&mut text);
    gemini::use_common_base64(&mut text, &mut Tree::new());
    body.held.overwrite(&shard.io, &text);
}

/// Tells the exchange what can be made of a prompt, where its chain has prompts made to fit, and this one is not
/// one that everybody can read: there are no fewer bytes than tokens.
pub(crate) fn weigh(policy: &Policy, body: &Body<'_>, question: &Question<'_>, exchange: &mut Exchange) {
    let Some(rules) = policy.chains[exchange.chain()].compact else { return };
    let windows = exchange.candidates().iter().filter_map(|candidate| policy.targets[candidate.target].context_window);
    let is_long = windows.min().is_some_and(|least| body.facts().prompt_bytes > u64::from(least));
    if !is_long || !question.surface.generates() {
        return;
    }
    let (mut joined, mut tree) = (Vec::new(), Tree::new());
    let Ok(root) = tree.read(contiguous(&body.held, &mut joined)) else { return };
    let Ok(prompt) = dialect::read_prompt(question.surface.dialect(), root, question.stream) else { return };
    // What has a meaning only where it stands has none in another place.
    if prompt.needs.common(LITERAL).is_empty() {
        exchange.may_compact(compact::least(&prompt, rules.keep_turns.into()), prompt.max_tokens.unwrap_or(0));
    }
}

/// Writes what was left out of a prompt, but for the end of the line.
pub(super) fn write_compacted(compacted: &Compacted, out: &mut Vec<u8>) {
    let parts = [
        (&b"x-throwover-compacted: messages="[..], u64::from(compacted.turns)),
        (b" tool_results=", compacted.outcomes.into()),
        (b" tokens=", compacted.bytes / limits::BYTES_PER_TOKEN),
    ];
    for (name, value) in parts {
        out.extend_from_slice(name);
        head::write_number(out, value);
    }
}

/// The body in one piece: where it lies, or copied.
pub(crate) fn contiguous<'b>(held: &'b Held, joined: &'b mut Vec<u8>) -> &'b [u8] {
    let mut slices = held.slices();
    match (slices.next(), slices.next()) {
        (None, _) => b"",
        (Some(only), None) => only,
        _ => {
            joined.reserve(held.len());
            held.write(joined);
            joined
        }
    }
}

impl Anew {
    /// What was written, in an answer to which nothing is wrapped.
    pub(super) fn of(written: Written) -> Anew {
        Anew { written, terms: None, compacted: None }
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.written.len()
    }

    /// Appends it to `out`.
    pub(super) fn write(&self, scene: &Scene<'_>, out: &mut Vec<u8>) {
        for piece in &self.written.pieces {
            match piece {
                Piece::Own(range) => out.extend_from_slice(&self.written.own[range.clone()]),
                Piece::Source(range) => scene.body.held.write_range(range.clone(), out),
            }
        }
    }

    /// Sends `out`, and the request behind it.
    pub(super) fn send(&self, mut out: Vec<u8>, scene: &Scene<'_>, wire: &mut Wire) {
        for piece in &self.written.pieces {
            match piece {
                Piece::Own(range) => out.extend_from_slice(&self.written.own[range.clone()]),
                Piece::Source(range) if scene.body.held.len() <= limits::BODY_INLINE_BYTES => {
                    scene.body.held.write_range(range.clone(), &mut out);
                }
                Piece::Source(range) => {
                    wire.send(std::mem::take(&mut out));
                    scene.body.held.send_range(range.clone(), &scene.shard.io, wire);
                }
            }
        }
        if !out.is_empty() {
            wire.send(out);
        }
    }
}

/// Fields that a provider wants besides: Anthropic's version, and the betas that its own client asks for.
///
/// A request that was said `anew` is one of our version, which allows all that a later one does: a policy may
/// have set parameters (`temperature`) that the client's version refuses.
pub(super) fn further<'s>(scene: &'s Scene<'_>, anew: bool) -> impl AsRef<[(&'static str, &'s [u8])]> {
    use codec::head::Field;
    let mut fields = Further { fields: [("", b""); 2], count: 0 };
    if scene.at.dialect() == Dialect::Anthropic {
        let own = |field| scene.asked.field(field).filter(|_| !scene.translates());
        fields.add("anthropic-version", own(Field::AnthropicVersion).filter(|_| !anew).unwrap_or(ANTHROPIC_VERSION));
        if let Some(betas) = own(Field::AnthropicBeta) {
            fields.add("anthropic-beta", betas);
        }
    }
    fields
}

struct Further<'s> {
    fields: [(&'static str, &'s [u8]); 2],
    count: usize,
}

impl<'s> Further<'s> {
    fn add(&mut self, name: &'static str, value: &'s [u8]) {
        self.fields[self.count] = (name, value);
        self.count += 1;
    }
}

impl<'s> AsRef<[(&'static str, &'s [u8])]> for Further<'s> {
    fn as_ref(&self) -> &[(&'static str, &'s [u8])] {
        &self.fields[..self.count]
    }
}
