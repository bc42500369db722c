//! Whose words an error is said in: which rules are tried before those that hold for everybody.

use policy::{Dialect, Origin, Provider};

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident = [$($word:literal),*] [$($host:literal),*];)*) => {
        /// A kind of provider, as far as errors are concerned.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Family { $($(#[$doc])* $name),* }

        impl Family {
            /// Every family, in the order of declaration.
            pub const ALL: &'static [Family] = &[$(Family::$name),*];

            /// Names that policies and catalogues give it.
            const fn words(self) -> &'static [&'static str] {
                match self { $(Family::$name => &[$($word),*]),* }
            }

            /// Its hosts, or what they end with.
            const fn hosts(self) -> &'static [&'static str] {
                match self { $(Family::$name => &[$($host),*]),* }
            }
        }
    };
}

families! {
    /// OpenAI.
    Openai = ["openai"] ["api.openai.com"];
    /// Azure's OpenAI, and its Foundry.
    Azure = ["azure"] [".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"];
    /// Anthropic.
    Anthropic = ["anthropic", "claude"] ["api.anthropic.com"];
    /// Gemini of Google's AI Studio.
    Gemini = ["gemini", "google"] ["generativelanguage.googleapis.com"];
    /// Gemini of Google's cloud.
    Vertex = ["vertex", "vertexai"] ["aiplatform.googleapis.com"];
    /// Amazon Bedrock.
    Bedrock = ["bedrock"] [".amazonaws.com"];
    /// Mistral.
    Mistral = ["mistral"] [".mistral.ai"];
    /// Cohere.
    Cohere = ["cohere"] [".cohere.com", ".cohere.ai"];
    /// Groq.
    Groq = ["groq"] [".groq.com"];
    /// DeepSeek.
    Deepseek = ["deepseek"] [".deepseek.com"];
    /// xAI.
    Xai = ["xai"] [".x.ai"];
    /// Together.
    Together = ["together"] [".together.ai", ".together.xyz"];
    /// Fireworks.
    Fireworks = ["fireworks"] [".fireworks.ai"];
    /// OpenRouter.
    Openrouter = ["openrouter"] ["openrouter.ai"];
    /// Perplexity.
    Perplexity = ["perplexity"] [".perplexity.ai"];
    /// Cerebras.
    Cerebras = ["cerebras"] [".cerebras.ai"];
    /// Nvidia's NIM.
    Nvidia = ["nvidia"] [".api.nvidia.com"];
    /// Hugging Face.
    Huggingface = ["huggingface"] [".huggingface.co", ".huggingface.cloud"];
    /// Moonshot's Kimi.
    Moonshot = ["moonshot", "kimi"] [".moonshot.ai", ".moonshot.cn", ".kimi.com"];
    /// Alibaba's DashScope.
    Dashscope = ["dashscope", "qwen"] [".aliyuncs.com"];
    /// Zhipu, also called Z.ai.
    Zhipu = ["zhipu", "zai", "bigmodel"] [".bigmodel.cn", ".z.ai"];
    /// Ollama.
    Ollama = ["ollama"] [".ollama.com"];
    /// vLLM, and SGLang, whose errors are like its.
    Vllm = ["vllm", "sglang"] [];
    /// The server of llama.cpp.
    Llamacpp = ["llamacpp"] [];
    /// LM Studio.
    Lmstudio = ["lmstudio"] [];
    /// Compatible with OpenAI, and not known by name.
    Other = [] [];
}

impl Family {
    /// The family of a provider: whose host it is; else whose name the operator gave it, alone or before a
    /// further word (`groq-eu`); else what its dialect makes most likely.
    pub fn of(provider: &Provider, origin: &Origin) -> Family {
        Family::of_host(&origin.host).or_else(|| Family::of_name(&provider.name)).unwrap_or(Family::of_dialect(provider.dialect))
    }

    /// What a dialect makes most likely.
    pub const fn of_dialect(dialect: Dialect) -> Family {
        match dialect {
            Dialect::OpenAi => Family::Other,
            Dialect::Anthropic => Family::Anthropic,
            Dialect::Gemini => Family::Gemini,
        }
    }

    fn of_host(host: &str) -> Option<Family> {
        let is_of = |own: &&str| {
            let Some(start) = host.len().checked_sub(own.trim_start_matches('.').len()) else { return false };
            let tail = host.as_bytes()[start..].eq_ignore_ascii_case(own.trim_start_matches('.').as_bytes());
            // Regions stand before a hyphen at one cloud, before a dot at all others.
            tail && (start == 0
                || matches!(host.as_bytes()[start - 1], b'.' | b'-') && (own.starts_with('.') || **own == *"aiplatform.googleapis.com"))
        };
        Family::ALL.iter().copied().find(|family| family.hosts().iter().any(is_of))
    }

    fn of_name(name: &str) -> Option<Family> {
        let first = name.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        Family::ALL.iter().copied().find(|family| family.words().iter().any(|word| first.eq_ignore_ascii_case(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, host: &str, dialect: Dialect, expected: Family) {
        let found = Family::of_host(host).or_else(|| Family::of_name(name)).unwrap_or(Family::of_dialect(dialect));
        assert_eq!(found, expected, "{name} {host}");
    }

    #[test]
    fn the_host_speaks_before_the_name_and_the_name_before_the_dialect() {
        check("mine", "api.openai.com", Dialect::OpenAi, Family::Openai);
        check("openai", "api.groq.com", Dialect::OpenAi, Family::Groq);
        check("mine", "contoso.OpenAI.azure.com", Dialect::OpenAi, Family::Azure);
        check("mine", "europe-west4-aiplatform.googleapis.com", Dialect::Gemini, Family::Vertex);
        check("mine", "aiplatform.googleapis.com", Dialect::Gemini, Family::Vertex);
        check("mine", "bedrock-runtime.eu-west-1.amazonaws.com", Dialect::OpenAi, Family::Bedrock);
        check("mine", "openrouter.ai", Dialect::OpenAi, Family::Openrouter);
        check("mine", "api.x.ai", Dialect::OpenAi, Family::Xai);
        // Another company's domain that ends alike.
        check("mine", "api.netx.ai", Dialect::OpenAi, Family::Other);
        check("mine", "fake-openrouter.ai", Dialect::OpenAi, Family::Other);
        check("mine", "api.openai.com.evil.example", Dialect::OpenAi, Family::Other);
        check("groq-eu", "10.0.0.7", Dialect::OpenAi, Family::Groq);
        check("ollama", "localhost", Dialect::OpenAi, Family::Ollama);
        check("LMStudio_2", "localhost", Dialect::OpenAi, Family::Lmstudio);
        check("sglang", "localhost", Dialect::OpenAi, Family::Vllm);
        check("openaix", "localhost", Dialect::OpenAi, Family::Other);
        check("", "", Dialect::OpenAi, Family::Other);
        check("mine", "localhost", Dialect::Anthropic, Family::Anthropic);
        check("mine", "localhost", Dialect::Gemini, Family::Gemini);
    }
}
