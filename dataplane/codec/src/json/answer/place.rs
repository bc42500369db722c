//! Where in the OpenAI shapes a value lies: which members matter in which container.

/// A place. Some are containers, some are values, some may be either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing below matters.
    Skip,
    /// The text itself, or the `response` within an event: both have the same members.
    Root,
    Type,
    Status,
    Delta,
    Choices,
    Choice,
    Finish,
    /// `message` or `delta` of a choice.
    Message,
    /// `text` of a choice of the old completions.
    Text,
    /// `content` of a message: a string, or parts.
    Content,
    Part,
    PartText,
    Refusal,
    Thought,
    Audio,
    ToolCalls,
    ToolCall,
    FunctionCall,
    Usage,
    Input,
    Output,
    Total,
    Details,
    Cached,
    CacheWrite,
    ReasoningTokens,
    Error,
    ErrorKind,
    ErrorCode,
    ErrorMessage,
    /// `output` of a Responses object.
    Items,
    Item,
    ItemType,
    ItemContent,
    ItemPart,
    ItemText,
    ItemRefusal,
    IncompleteDetails,
    Incomplete,
}

impl Place {
    /// The place of what a container at this place holds, when that container is an array.
    #[inline]
    pub(super) fn element(self) -> Option<Place> {
        match self {
            Place::Choices => Some(Place::Choice),
            Place::Content => Some(Place::Part),
            Place::ToolCalls => Some(Place::ToolCall),
            Place::Items => Some(Place::Item),
            Place::ItemContent => Some(Place::ItemPart),
            _ => None,
        }
    }

    /// What a container that opens at this place is: `Skip` if it is of the wrong kind, so that
    /// arrays and objects are never taken for one another.
    pub(super) fn container(self, object: bool) -> Place {
        match self {
            // A lone object instead of a list of parts.
            Place::Content if object => Place::Part,
            Place::Choices | Place::Content | Place::ToolCalls | Place::Items | Place::ItemContent => {
                if object {
                    Place::Skip
                } else {
                    self
                }
            }
            Place::Root
            | Place::Choice
            | Place::Message
            | Place::Part
            | Place::Usage
            | Place::Details
            | Place::Error
            | Place::Item
            | Place::ItemPart
            | Place::IncompleteDetails
                if object =>
            {
                self
            }
            _ => Place::Skip,
        }
    }

    /// The place of the member called `name` in an object at this place.
    #[inline]
    pub(super) fn member(self, name: &[u8]) -> Place {
        match self {
            Place::Skip => Place::Skip,
            Place::Root => root(name),
            Place::Choice => match name {
                b"delta" | b"message" => Place::Message,
                b"finish_reason" => Place::Finish,
                b"text" => Place::Text,
                _ => Place::Skip,
            },
            Place::Message => match name {
                b"content" => Place::Content,
                b"refusal" => Place::Refusal,
                b"tool_calls" => Place::ToolCalls,
                b"function_call" => Place::FunctionCall,
                b"audio" => Place::Audio,
                b"reasoning_content" | b"reasoning" => Place::Thought,
                _ => Place::Skip,
            },
            Place::Part => match name {
                b"text" => Place::PartText,
                b"refusal" => Place::Refusal,
                b"thinking" => Place::Thought,
                _ => Place::Skip,
            },
            Place::Usage => match name {
                b"prompt_tokens" | b"input_tokens" => Place::Input,
                b"completion_tokens" | b"output_tokens" => Place::Output,
                b"total_tokens" => Place::Total,
                b"prompt_tokens_details" | b"completion_tokens_details" | b"input_tokens_details" | b"output_tokens_details" => {
                    Place::Details
                }
                _ => Place::Skip,
            },
            Place::Details => match name {
                b"cached_tokens" => Place::Cached,
                b"cache_write_tokens" => Place::CacheWrite,
                b"reasoning_tokens" => Place::ReasoningTokens,
                _ => Place::Skip,
            },
            Place::Error => match name {
                b"type" => Place::ErrorKind,
                b"code" => Place::ErrorCode,
                b"message" => Place::ErrorMessage,
                _ => Place::Skip,
            },
            Place::Item => match name {
                b"type" => Place::ItemType,
                b"content" => Place::ItemContent,
                _ => Place::Skip,
            },
            Place::ItemPart => match name {
                b"text" => Place::ItemText,
                b"refusal" => Place::ItemRefusal,
                _ => Place::Skip,
            },
            Place::IncompleteDetails if name == b"reason" => Place::Incomplete,
            _ => Place::Skip,
        }
    }
}

fn root(name: &[u8]) -> Place {
    match name {
        b"type" => Place::Type,
        b"delta" | b"text" | b"refusal" | b"arguments" => Place::Delta,
        b"status" => Place::Status,
        b"choices" => Place::Choices,
        b"usage" => Place::Usage,
        b"error" => Place::Error,
        b"output" => Place::Items,
        b"response" => Place::Root,
        b"incomplete_details" => Place::IncompleteDetails,
        _ => Place::Skip,
    }
}
