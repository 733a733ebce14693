//! The likeliest mistakes, and the compiler's words for them: each is one error a person can act
//! on.

#[test]
fn likely_mistakes_give_one_error_that_names_what_is_wrong() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
