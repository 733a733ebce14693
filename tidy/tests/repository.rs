//! Every rule, on this repository.

use artos_tidy::{Rule, Tree, documents, layers, leftovers, manifests, obey, shape, words};

macro_rules! rules {
    ($($module:ident::$rule:ident,)*) => {
        $(
            #[test]
            fn $rule() -> Result<(), Shown> {
                check($module::$rule)
            }
        )*
    };
}

rules! {
    shape::every_module_says_what_it_is_for,
    shape::files_are_short,
    shape::lines_are_narrow,
    shape::nothing_shouts,
    words::one_word_for_one_thing,
    words::no_file_is_a_drawer,
    leftovers::nothing_is_unfinished,
    leftovers::no_test_sleeps,
    leftovers::no_path_of_one_machine,
    layers::core_modules_use_only_what_is_below,
    manifests::crates_follow_the_arrows,
    manifests::outside_crates_enter_through_their_doors,
    manifests::manifests_are_complete,
    documents::links_lead_somewhere,
    documents::every_page_can_be_found,
    documents::decisions_are_in_order,
    documents::the_architecture_is_still_true,
    documents::one_sentence_per_line,
}

fn check(rule: Rule) -> Result<(), Shown> {
    let tree = Tree::of_this_repository().map_err(|error| Shown(error.to_string()))?;
    obey(rule, &tree).map_err(Shown)
}

/// Text that a failing test prints with its line breaks.
struct Shown(String);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
