use super::*;

#[test]
fn comments_strings_and_characters_go_and_places_stay() {
    let check = |input: &str, expected: &str| {
        let blanked = blanked(input);
        assert_eq!(blanked.replace(' ', ""), expected, "{input}");
        assert_eq!(blanked.chars().count(), input.chars().count(), "{input}");
        assert_eq!(blanked.lines().count(), input.lines().count(), "{input}");
    };
    check("a // unsafe\nb", "a\nb");
    check("a /* x /* y */ { */ b", "ab");
    check("f(\"}\\\"}\", x)", "f(,x)");
    check("f(r#\"a\"}\"#, x)", "f(,x)");
    check("f(br\"a\\\", x)", "f(,x)");
    check("f(b\"{\", b'{', '{', '\\'', '\\u{7d}')", "f(,,,,)");
    check("fn f<'a>(x: &'a str, brace: r#type) {}", "fnf<'a>(x:&'astr,brace:r#type){}");
    check("for x in bar { c\"{\"; }", "forxinbar{;}");
    check("/* never closed {", "");
    check("\"never closed {", "");
    check("let ü = 'ü'; // ü", "letü=;");
}
