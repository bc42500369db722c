use super::{RequestId, write_own};
use codec::dialect::Dialect;

/// A client finds the id where its own SDK looks for it.
#[test]
fn a_request_is_named_where_the_sdk_looks() {
    let check = |spoken, expected: &str| {
        let (id, mut out) = (RequestId(0xab), Vec::new());
        write_own(&mut out, id, spoken);
        assert_eq!(String::from_utf8_lossy(&out), expected.replace("ID", &id.to_string()), "{spoken:?}");
    };
    check(Dialect::Openai, "x-request-id: ID\r\n");
    check(Dialect::Responses, "x-request-id: ID\r\n");
    check(Dialect::Gemini, "x-request-id: ID\r\n");
    check(Dialect::Anthropic, "x-request-id: ID\r\nrequest-id: ID\r\n");
}
