//! Every fixed bound of the data plane, in one place, with the relations between them asserted
//! when the crate is compiled.
//!
//! Defaults that an operator may change are in [`crate::snapshot::Gateway`] and
//! [`crate::chain::Patience`]; what is here is the most that those may ask for, and what nobody may
//! change.

/// One kibibyte.
pub const KIB: usize = 1024;
/// One mebibyte.
pub const MIB: usize = 1024 * KIB;

/// Longest head of a request, in bytes, request line and fields together; 431 beyond.
pub const HEAD_BYTES_MAX: usize = 32 * KIB;
/// Longest request target, in bytes; 414 beyond.
pub const TARGET_BYTES_MAX: usize = 8 * KIB;
/// Most fields in a head; 431 beyond.
pub const HEAD_FIELDS_MAX: usize = 100;
/// Longest head that a provider may answer with, in bytes.
pub const ANSWER_HEAD_BYTES_MAX: usize = 64 * KIB;
/// Most interim (1xx) heads before an answer counts as malformed.
pub const INTERIM_HEADS_MAX: usize = 8;

/// Largest request body that a policy may allow, in bytes.
pub const BODY_BYTES_MAX: usize = 512 * MIB;
/// Up to here a body stays in the receive buffers; beyond, it is held in arena blocks.
pub const BODY_INLINE_BYTES: usize = 16 * KIB;
/// Size of one arena block, in bytes.
pub const BLOCK_BYTES: usize = 64 * KIB;
/// A JSON answer is held up to here before it commits, in bytes.
pub const ANSWER_HELD_BYTES_MAX: usize = MIB;
/// A stream is held up to here before its first content, in bytes; beyond, it commits.
pub const STREAM_HELD_BYTES_MAX: usize = 64 * KIB;
/// Largest event of a stream, in bytes; beyond, the attempt is cut.
pub const EVENT_BYTES_MAX: usize = MIB;
/// An error body of a provider is read up to here, in bytes.
pub const ERROR_BODY_BYTES_MAX: usize = 64 * KIB;
/// Unread request bodies are drained up to here before the connection is closed instead, in bytes.
pub const DRAIN_BYTES_MAX: usize = 64 * KIB;
/// Deepest nesting of a JSON request.
pub const JSON_DEPTH_MAX: usize = 64;
/// Longest model name that a request may carry, in bytes.
pub const MODEL_NAME_BYTES_MAX: usize = 256;

/// Most attempts that one exchange may make, whatever the policy says.
pub const ATTEMPTS_MAX: usize = 16;
/// Most targets that one chain may hold, over all steps.
pub const CHAIN_TARGETS_MAX: usize = 64;
/// Largest share of a chain's requests that is tried first at a later target, in thousandths: beyond half of
/// them, the order of the chain would be another.
pub const STANDBY_PERMILLE_MAX: u32 = 500;
/// Longest time that a chain may give an exchange, in milliseconds.
pub const DEADLINE_MS_MAX: u64 = 3_600_000;
/// Longest pause that a provider's Retry-After may impose, in milliseconds.
pub const PAUSE_MS_MAX: u64 = 3_600_000;

/// Most slots of each table of a snapshot.
pub const TENANTS_MAX: usize = 16_384;
/// Most routes.
pub const ROUTES_MAX: usize = 65_536;
/// Most names that a request may give a chain by.
pub const NAMES_MAX: usize = 262_144;
/// Most chains.
pub const CHAINS_MAX: usize = 65_536;
/// Most targets.
pub const TARGETS_MAX: usize = 16_384;
/// Most providers.
pub const PROVIDERS_MAX: usize = 1_024;
/// Most origins.
pub const ORIGINS_MAX: usize = 1_024;
/// Most credentials of one provider.
pub const KEYS_PER_PROVIDER_MAX: usize = 64;
/// Most credentials.
pub const KEYS_MAX: usize = 16_384;
/// Credentials whose state is told to the control plane at once: those of them that are in trouble.
pub const KEYS_TOLD_MAX: usize = 256;
/// Allotments of further attempts that are told to the control plane at once.
pub const ALLOTMENTS_TOLD_MAX: usize = 256;
/// Most listening addresses.
pub const LISTENERS_MAX: usize = 16;
/// Longest name of anything in a policy, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Largest snapshot image, in bytes.
pub const IMAGE_BYTES_MAX: usize = 256 * MIB;
/// Tenants whose spending is told in one frame.
pub const SPENDING_PER_FRAME: usize = 1_024;
/// Largest frame on the control socket, in bytes.
pub const FRAME_BYTES_MAX: usize = 4 * MIB;

/// Most kinds of faults that one rehearsal makes.
pub const STRIKES_MAX: usize = 64;
/// Longest text that a chain may answer with itself, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 16 * KIB;

/// Things that are looked at, to know whether one provider is well.
pub const CHECKS_PER_PROVIDER_MAX: usize = 64;
/// Rules about what one provider publishes of itself.
pub const RULES_MAX: usize = 64;
/// Longest question of a canary, and longest answer that is expected of it, in bytes.
pub const CANARY_BYTES_MAX: usize = 16 * KIB;
/// Between two looks at the same thing, at least.
pub const CHECK_MS_MIN: u64 = 100;
/// Between two looks at the same thing, at most: a day.
pub const CHECK_MS_MAX: u64 = 86_400_000;
/// Longest time that a look may take, in milliseconds.
pub const CHECK_TIMEOUT_MS_MAX: u64 = 300_000;
/// Longest time that a mark stands without being made again, in milliseconds.
pub const MARK_MS_MAX: u64 = 60_000;
/// Marks of one frame.
pub const MARKS_MAX: usize = 1_024;
/// Most turns that a prompt keeps which is made to fit.
pub const KEEP_TURNS_MAX: usize = 64;
/// Most tokens of a summary of what was left out of a prompt.
pub const SUMMARY_TOKENS_MAX: u64 = 1_024;
/// Longest summary that is put into a prompt, in bytes.
pub const SUMMARY_BYTES_MAX: u64 = 8 * KIB as u64;
/// A prompt that has room for less is made to fit without a summary, in bytes.
pub const SUMMARY_BYTES_MIN: u64 = 256;
/// Most of a prompt that is given to who sums it up, in bytes.
pub const SUMMARISED_BYTES_MAX: u64 = 512 * KIB as u64;
/// What a model can read that sums up, and of which nobody knows how much that is, in tokens.
pub const SUMMARY_WINDOW_USUAL: u32 = 8_192;
/// Longest time that a summary is waited for, in milliseconds …
pub const SUMMARY_MS_MAX: u64 = 20_000;
/// … and shortest: with less, nobody is asked for one.
pub const SUMMARY_MS_MIN: u64 = 200;
/// Largest answer that is kept for identical requests, in bytes.
pub const EARLIER_BYTES_MAX: usize = 256 * KIB;
/// Longest time that an answer may be kept, in milliseconds: 30 days.
pub const EARLIER_MS_MAX: u64 = 30 * 86_400_000;
/// The most memory that answers may be kept in, in bytes.
pub const CACHE_BYTES_MAX: usize = 1 << 36;
/// Answers that may be on their way to be kept, and their bytes; beyond, they are dropped and counted.
pub const EARLIER_QUEUE_MAX: usize = 512;
/// The bytes of those.
pub const EARLIER_QUEUE_BYTES_MAX: usize = 16 * MIB;
/// Exchanges that may wait at once to be told of an earlier answer.
pub const EARLIER_ASKS_MAX: usize = 256;

/// Warm connections that a policy may ask for, per origin and shard.
pub const WARM_MAX: u32 = 256;
/// Idle connections kept to one origin by one shard.
pub const POOL_IDLE_MAX: usize = 1_024;
/// Decision records that wait for the recorder, per shard; beyond, they are dropped and counted.
pub const LEDGER_RING_RECORDS: usize = 8_192;
/// Exchanges that wait for a free place, per shard.
pub const QUEUE_MAX: usize = 1_024;
/// Completions that one turn of a shard may handle before tasks run.
pub const COMPLETIONS_PER_TURN: usize = 4_096;

const _: () = {
    assert!(TARGET_BYTES_MAX < HEAD_BYTES_MAX);
    // Spans of a request's head are 16 bits wide.
    assert!(HEAD_BYTES_MAX <= u16::MAX as usize);
    assert!(BODY_INLINE_BYTES <= BLOCK_BYTES);
    assert!(STREAM_HELD_BYTES_MAX <= ANSWER_HELD_BYTES_MAX);
    assert!(EVENT_BYTES_MAX >= STREAM_HELD_BYTES_MAX);
    assert!(DRAIN_BYTES_MAX <= BODY_BYTES_MAX);
    assert!(ATTEMPTS_MAX <= CHAIN_TARGETS_MAX);
    assert!(PAUSE_MS_MAX <= DEADLINE_MS_MAX);
    assert!(BYTES_PER_TOKEN_FITTED <= BYTES_PER_TOKEN);
    assert!(KEEP_TURNS_MAX <= u8::MAX as usize);
    assert!(SUMMARY_BYTES_MIN <= SUMMARY_BYTES_MAX);
    assert!(SUMMARY_TOKENS_MAX * BYTES_PER_TOKEN <= SUMMARY_BYTES_MAX);
    assert!(SUMMARY_TOKENS_MAX < SUMMARY_WINDOW_USUAL as u64);
    assert!(SUMMARY_MS_MIN < SUMMARY_MS_MAX && SUMMARY_MS_MAX < DEADLINE_MS_MAX);
    assert!(EARLIER_BYTES_MAX <= EARLIER_QUEUE_BYTES_MAX);
    assert!(FRAME_BYTES_MAX < IMAGE_BYTES_MAX);
    assert!(SPENDING_PER_FRAME * (NAME_BYTES_MAX + 64) < FRAME_BYTES_MAX);
};

/// Bytes of text that are taken for one token where nobody has counted. English has some four; a
/// request must not be kept from a model that can read it, so that this is more than most texts need.
pub const BYTES_PER_TOKEN: u64 = 5;
/// The same for a prompt that is made to fit, which then must: fewer than nearly all texts need.
pub const BYTES_PER_TOKEN_FITTED: u64 = 3;

/// Largest answer that is held to be said in another language.
pub const ANSWER_TRANSLATED_BYTES_MAX: usize = 16 * MIB;
