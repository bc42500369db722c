use super::*;

#[test]
fn bodies_are_measured() {
    let check = |code: &str, expected: &[(&str, usize, usize)]| {
        let found = functions(code);
        let found: Vec<(&str, usize, usize)> = found.iter().map(|(name, first, lines)| (name.as_str(), *first, *lines)).collect();
        assert_eq!(found, expected, "{code}");
    };
    check("fn a() {}\nfn b() {\n    if x {\n    }\n}\n", &[("a", 1, 1), ("b", 2, 4)]);
    check("trait T {\n    fn a(x: [u8; 4]);\n    fn b() {\n    }\n}", &[("b", 3, 2)]);
    check("type F = fn(u8) -> u8;\nconst X: fn() = f;", &[]);
    check("fn a(\n    x: [u8; 4],\n) -> u8\nwhere\n    T: U,\n{\n    1\n}", &[("a", 1, 8)]);
    check("fn outer() {\n    fn inner() {\n    }\n}", &[("outer", 1, 4), ("inner", 2, 2)]);
    check("fn never_closed() {\n", &[]);
}
