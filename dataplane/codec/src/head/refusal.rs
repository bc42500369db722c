//! Why a head was not accepted: [`Refusal`] is the tenant's fault, [`Fault`] the provider's.

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])+ $variant:ident $status:literal $code:literal $message:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])+ $variant,)+ }

        impl $name {
            /// Every reason, for tables and tests.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The status of the answer that the tenant gets for it.
            pub fn status(self) -> u16 {
                match self { $($name::$variant => $status,)+ }
            }

            /// A short name that never changes.
            pub fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)+ }
            }

            /// One sentence for a person.
            pub fn message(self) -> &'static str {
                match self { $($name::$variant => $message,)+ }
            }
        }
    };
}

reasons! {
    /// Why a request head is refused.
    Refusal {
        /// Larger than the limit (RFC 6585 5).
        HeadTooLarge 431 "head_too_large" "The request head is larger than this gateway accepts.",
        /// More than `FIELDS_MAX` fields (RFC 6585 5).
        TooManyFields 431 "too_many_fields" "The request has more than 100 header fields.",
        /// The target is longer than `TARGET_SIZE_MAX` (RFC 9112 3).
        TargetTooLong 414 "target_too_long" "The request target is longer than 8 KiB.",
        /// Not `method SP request-target SP HTTP-version` (RFC 9112 3).
        RequestLine 400 "bad_request_line" "The request line is malformed.",
        /// The HTTP/2 connection preface (RFC 9113 3.4).
        Http2Preface 505 "http2_not_supported" "HTTP/2 was sent to a listener that speaks HTTP/1.1.",
        /// Neither HTTP/1.0 nor HTTP/1.1 (RFC 9110 15.6.6).
        Version 505 "version_not_supported" "Only HTTP/1.0 and HTTP/1.1 are supported.",
        /// CONNECT and TRACE (RFC 9110 9.1, 15.6.2).
        MethodRefused 501 "method_not_implemented" "This method is not implemented here.",
        /// LF without CR (RFC 9112 2.2).
        BareLf 400 "bare_lf" "A line of the head ends with a bare LF.",
        /// CR without LF (RFC 9112 2.2).
        BareCr 400 "bare_cr" "The head contains a bare CR.",
        /// A folded field line (RFC 9112 5.2).
        ObsFold 400 "obs_fold" "A header field is folded over several lines.",
        /// An empty or invalid name, or a blank before the colon (RFC 9112 5.1).
        FieldName 400 "bad_field_name" "The name of a header field is malformed.",
        /// NUL or another control character in a value (RFC 9110 5.5).
        FieldValue 400 "bad_field_value" "The value of a header field contains a control character.",
        /// A second line of a field that must be single (RFC 9110 5.3).
        FieldDuplicate 400 "duplicate_field" "A header field that must be single is repeated.",
        /// HTTP/1.1 without Host (RFC 9112 3.2).
        HostMissing 400 "host_missing" "The Host header field is missing.",
        /// More than one Host (RFC 9112 3.2).
        HostDuplicate 400 "host_duplicate" "The Host header field is repeated.",
        /// Not `uri-host [ ":" port ]` (RFC 9110 7.2).
        HostInvalid 400 "host_invalid" "The Host header field is malformed.",
        /// Not digits only, or too many of them (RFC 9110 8.6).
        LengthInvalid 400 "bad_content_length" "The Content-Length header field is malformed.",
        /// More than one Content-Length, even if they agree (RFC 9112 6.3).
        LengthDuplicate 400 "duplicate_content_length" "The Content-Length header field is repeated.",
        /// Content-Length together with Transfer-Encoding (RFC 9112 6.1).
        LengthAndEncoding 400 "length_and_encoding" "Content-Length and Transfer-Encoding exclude each other.",
        /// A transfer coding before the final `chunked` (RFC 9112 6.1).
        EncodingUnknown 501 "transfer_coding_not_implemented" "Only the chunked transfer coding is implemented.",
        /// `chunked` is not the only and final coding (RFC 9112 6.3).
        EncodingInvalid 400 "bad_transfer_encoding" "Transfer-Encoding must be exactly one chunked.",
        /// Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1).
        EncodingOld 400 "transfer_encoding_in_http10" "Transfer-Encoding is not defined for HTTP/1.0.",
        /// An expectation other than `100-continue` (RFC 9110 10.1.1).
        Expectation 417 "expectation_failed" "Only the expectation 100-continue can be met.",
        /// Asterisk-form or authority-form (RFC 9112 3.2.3, 3.2.4).
        TargetForm 400 "bad_target_form" "The request target must be a path or an absolute URI.",
        /// A byte that no URI contains, or a fragment (RFC 9112 3.2, RFC 3986 3).
        TargetInvalid 400 "bad_target" "The request target contains an invalid character.",
        /// A malformed `%`, or an encoded NUL or slash (RFC 3986 2.1).
        PathEncoding 400 "bad_path_encoding" "The path is percent-encoded in a way that is not accepted.",
    }
}

impl Refusal {
    /// Whether the connection must close after the answer. Only a path that cannot be decoded
    /// leaves the framing of the request certain.
    pub fn closes(self) -> bool {
        self != Refusal::PathEncoding
    }
}

reasons! {
    /// Why a provider's response head cannot be trusted. The connection must not be used again.
    Fault {
        /// Larger than the limit.
        HeadTooLarge 502 "provider_head_too_large" "The provider's response head is too large.",
        /// More than `FIELDS_MAX` fields.
        TooManyFields 502 "provider_too_many_fields" "The provider sent too many header fields.",
        /// Not `HTTP-version SP status-code SP` (RFC 9112 4).
        StatusLine 502 "provider_bad_status_line" "The provider's status line is malformed.",
        /// A malformed field line, a bare LF or CR, a fold (RFC 9112 5).
        Field 502 "provider_bad_field" "A header field of the provider is malformed.",
        /// 101, which nobody asked for (RFC 9110 15.2.2).
        Switching 502 "provider_switched_protocols" "The provider switched protocols without being asked.",
        /// A Content-Length that is malformed or repeated (RFC 9112 6.3).
        Length 502 "provider_bad_content_length" "The provider's Content-Length is malformed or repeated.",
        /// Content-Length together with Transfer-Encoding (RFC 9112 6.3).
        LengthAndEncoding 502 "provider_length_and_encoding" "The provider sent both Content-Length and Transfer-Encoding.",
        /// Transfer-Encoding other than one `chunked`, or in HTTP/1.0 (RFC 9112 6.1).
        Encoding 502 "provider_bad_transfer_encoding" "The provider's Transfer-Encoding is not exactly chunked.",
    }
}
