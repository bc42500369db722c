//! Vectors, as numbers and as text.

use super::*;

fn request(list: bool, base64: bool) -> Request<'static> {
    Request { texts: Vec::new(), list, dimensions: None, base64, needs: Needs::NONE }
}

fn vectors(answer: &Answer) -> Vec<Vec<f32>> {
    answer.vectors().map(<[f32]>::to_vec).collect()
}

fn written(to: Dialect, answer: &Answer, list: bool, base64: bool) -> String {
    let mut out = Vec::new();
    write_answer(to, answer, &request(list, base64), "m\"", 7, &mut out);
    String::from_utf8(out).expect("JSON is text")
}

#[test]
fn gemini_answers_openai() {
    let body = br#"{"embeddings":[{"values":[0.25,-1,1e-8]},{"values":[-0.0,2E+3,0.1]}],"usageMetadata":{"promptTokenCount":5}}"#;
    let answer = read_answer(GEMINI, body, 2).unwrap();
    assert_eq!((answer.length(), answer.tokens), (3, Some(5)));
    assert_eq!(vectors(&answer), [[0.25, -1.0, 1e-8], [-0.0, 2e3, 0.1]]);
    assert_eq!(
        written(OPENAI, &answer, true, false),
        concat!(
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.25,-1.0,1e-8]},"#,
            r#"{"object":"embedding","index":1,"embedding":[-0.0,2000.0,0.1]}],"model":"m\"","usage":{"prompt_tokens":5,"total_tokens":5}}"#
        )
    );
    // 0.25 is 0000803e, -1 is 000080bf, 1e-8 is 77cc2b32.
    let coded = written(OPENAI, &answer, true, true);
    assert!(coded.contains(r#""embedding":"AACAPgAAgL93zCsy""#), "{coded}");
    let uncounted = read_answer(GEMINI, br#"{"embeddings":[{"values":[1]}]}"#, 1).unwrap();
    assert!(
        written(OPENAI, &uncounted, true, true)
            .ends_with(r#""embedding":"AACAPw=="}],"model":"m\"","usage":{"prompt_tokens":7,"total_tokens":7}}"#)
    );
}

#[test]
fn openai_answers_gemini() {
    let body = br#"{"object":"list","data":[{"index":1,"embedding":[3,4],"object":"embedding"},{"object":"embedding","index":0,"embedding":[1,2]}],
        "model":"x","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let answer = read_answer(OPENAI, body, 2).unwrap();
    assert_eq!(vectors(&answer), [[1.0, 2.0], [3.0, 4.0]], "the index tells the order");
    assert_eq!(answer.tokens, Some(8));
    assert_eq!(written(GEMINI, &answer, true, false), r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[3.0,4.0]}]}"#);
    let single = read_answer(OPENAI, br#"{"data":[{"embedding":[1e-45]}]}"#, 1).unwrap();
    assert_eq!(written(GEMINI, &single, false, false), r#"{"embedding":{"values":[1e-45]}}"#);
}

#[test]
fn what_is_no_answer_is_malformed() {
    let table = [
        (OPENAI, 1, r#"{"data":[{"embedding":[1e999]}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":[1e39]}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":[null]}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":["1"]}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":[[1]]}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":[1],"embedding":[2]}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":"AACAPw=="}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":null}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":{"values":[1]}}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":[]}]}"#),
        (OPENAI, 1, r#"{"data":[{}]}"#),
        (OPENAI, 1, r#"{"data":[[1]]}"#),
        (OPENAI, 1, r#"{"data":[1]}"#),
        (OPENAI, 1, r#"{"data":{"embedding":[1]}}"#),
        (OPENAI, 1, r#"{"data":[]}"#),
        (OPENAI, 1, r#"{}"#),
        (OPENAI, 1, r#"[]"#),
        (OPENAI, 1, ""),
        (OPENAI, 2, r#"{"data":[{"embedding":[1]}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":[1]},{"embedding":[1]}]}"#),
        (OPENAI, 2, r#"{"data":[{"embedding":[1]},{"embedding":[1,2]}]}"#),
        (OPENAI, 2, r#"{"data":[{"index":1,"embedding":[1]},{"index":1,"embedding":[1]}]}"#),
        (OPENAI, 2, r#"{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]}"#),
        (OPENAI, 1, r#"{"data":[{"index":-1,"embedding":[1]}]}"#),
        (OPENAI, 1, r#"{"data":[{"embedding":[1]}"#),
        (GEMINI, 1, r#"{"data":[{"embedding":[1]}]}"#),
        (GEMINI, 1, r#"{"embeddings":[{"values":5}]}"#),
    ];
    for (dialect, count, body) in table {
        assert!(matches!(read_answer(dialect, body.as_bytes(), count), Err(Failure::Malformed)), "{body}");
    }
}

#[test]
fn an_error_is_one_wherever_it_stands() {
    for body in [r#"{"error":{"message":"no","type":"server_error"}}"#, r#"{"data":[{"embedding":[1]}],"error":{"message":"no"}}"#] {
        let Err(Failure::Error(fields)) = read_answer(OPENAI, body.as_bytes(), 1) else { panic!("{body}") };
        assert_eq!(fields.message.as_str(), "no");
    }
    assert!(read_answer(OPENAI, br#"{"error":null,"data":[{"embedding":[1]}]}"#, 1).is_ok());
}

#[test]
fn deep_or_long_answers_take_no_stack() {
    let deep = format!(r#"{{"data":[{{"embedding":{}1{}}}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(read_answer(OPENAI, deep.as_bytes(), 1), Err(Failure::Malformed)));
    let long = format!(r#"{{"data":[{{"embedding":[{}]}}]}}"#, vec!["-0.01234567"; 2_000_000].join(","));
    let answer = read_answer(OPENAI, long.as_bytes(), 1).unwrap();
    assert_eq!(answer.length(), 2_000_000);
}

#[test]
fn cut_vectors_are_made_as_long_as_whole_ones() {
    let mut answer =
        read_answer(GEMINI, br#"{"embeddings":[{"values":[3,-4]},{"values":[0,-0.0]},{"values":[1e38,1e38]},{"values":[1e-40,0]}]}"#, 4)
            .unwrap();
    answer.normalise();
    let found = vectors(&answer);
    assert_eq!(found[0], [0.6, -0.8]);
    assert_eq!(found[1], [0.0, 0.0], "what has no direction stays");
    assert!(found[2].iter().all(|number| (number - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6));
    assert_eq!(found[3], [1.0, 0.0]);
}

fn float() -> impl Strategy<Value = f32> {
    let special = prop::sample::select(vec![0.0, -0.0, 1e-8, 1e-45, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1.0, 0.1, 16_777_217.0]);
    prop_oneof![4 => any::<f32>().prop_filter("JSON has no others", |number| number.is_finite()), 1 => special]
}

proptest! {
    #[test]
    fn every_float_comes_through_every_form(
        (count, length, numbers) in (1..4_usize, 1..9_usize).prop_flat_map(|(count, length)| (Just(count), Just(length), prop::collection::vec(float(), count * length)))
    ) {
        let rows: Vec<Json> = numbers.chunks(length).map(|row| json!({"values": row})).collect();
        let answer = read_answer(GEMINI, json!({"embeddings": rows}).to_string().as_bytes(), count).unwrap();
        let bits = |answer: &Answer| answer.vectors().flatten().map(|number| number.to_bits()).collect::<Vec<_>>();
        let expected: Vec<u32> = numbers.iter().map(|number| number.to_bits()).collect();
        prop_assert_eq!(bits(&answer), expected.clone());
        let floats = read_answer(OPENAI, written(OPENAI, &answer, true, false).as_bytes(), count).unwrap();
        prop_assert_eq!(bits(&floats), expected.clone());
        let back = read_answer(GEMINI, written(GEMINI, &floats, true, false).as_bytes(), count).unwrap();
        prop_assert_eq!(bits(&back), expected.clone());
        let coded: Json = serde_json::from_str(&written(OPENAI, &answer, true, true)).unwrap();
        let bytes: Vec<u8> = coded["data"].as_array().unwrap().iter().flat_map(|row| decoded(row["embedding"].as_str().unwrap())).collect();
        let found: Vec<u32> = bytes.chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn nothing_in_an_answer_makes_it_panic(
        body in "(\\{\"(data|embeddings)\":\\[)?[\\[\\]{}:,\"a-z0-9eE.+ -]{0,60}|\\PC{0,40}", count in 0..4_usize, gemini in any::<bool>()
    ) {
        let dialect = if gemini { GEMINI } else { OPENAI };
        if let Ok(answer) = read_answer(dialect, body.as_bytes(), count) {
            prop_assert_eq!(answer.vectors().count(), count);
            prop_assert!(answer.length() > 0);
        }
    }
}

/// Base64, digit by digit: slow, and another way than the one that wrote it.
fn decoded(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = text.trim_end_matches('=').chars().map(|digit| format!("{:06b}", digits.find(digit).unwrap())).collect();
    bits.as_bytes().chunks_exact(8).map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap()).collect()
}
