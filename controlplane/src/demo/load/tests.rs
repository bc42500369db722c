use super::*;

fn words(count: usize) -> String {
    let words: Vec<String> = (0..count).map(|number| format!("w{number}")).collect();
    format!("north says: {}", words.join(" "))
}

#[test]
fn only_whole_texts_in_order_are_complete() {
    assert_eq!(complete(&words(WORDS)), Ok("north".to_owned()));
    for text in
        [words(WORDS - 1), words(WORDS + 1), words(WORDS).replace("w3 w4", "w4 w3"), words(WORDS).replace("w5", "w4"), String::new()]
    {
        assert!(complete(&text).is_err(), "{text}");
    }
}

#[test]
fn a_stream_needs_its_finish_reason_and_its_end() {
    let content = r#"data: {"choices":[{"delta":{"content":"a"}}]}"#;
    let finish = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let stream = |parts: &[&str]| stream_text(parts.join("\n\n").as_bytes());
    assert_eq!(stream(&[content, finish, "data: [DONE]", ": a comment"]), Ok("a".to_owned()));
    assert!(stream(&[content, finish]).is_err());
    assert!(stream(&[content, "data: [DONE]"]).is_err());
    assert!(stream(&[finish, "data: [DONE]", content]).is_err());
    assert!(stream(&[r#"data: {"error":{}}"#, finish, "data: [DONE]"]).is_err());
    assert!(has_content(content.as_bytes()) && !has_content(finish.as_bytes()));
}

#[test]
fn percentiles() {
    let mut values: Vec<u32> = (1..=100).rev().collect();
    assert_eq!(percentile(&mut values, 0.5), Some(50));
    assert_eq!(percentile(&mut values, 0.99), Some(99));
    assert_eq!(percentile(&mut values, 1.0), Some(100));
    assert_eq!(percentile(&mut [7], 0.5), Some(7));
    assert_eq!(percentile::<u32>(&mut [], 0.5), None);
}
