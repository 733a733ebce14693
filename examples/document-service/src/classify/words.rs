//! Text as a list of comparable words.

/// The words of a text in lower case and without plural endings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        Self(words.map(|word| singular(word.to_lowercase())).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether `phrase` occurs word for word. An empty phrase occurs nowhere.
    pub(super) fn contain(&self, phrase: &Self) -> bool {
        let length = phrase.0.len();
        length > 0 && self.0.windows(length).any(|window| window == phrase.0.as_slice())
    }

    /// Returns the length of these words as a part of the length of `whole`, 0 to 1.
    pub(super) fn share_of(&self, whole: &Self) -> f32 {
        let length = |words: &Self| f32::from(u16::try_from(words.len()).unwrap_or(u16::MAX));
        (length(self) / length(whole).max(1.0)).min(1.0)
    }
}

/// Removes a plural `s`. Short words such as `as` and endings such as `ss` are no plurals.
fn singular(mut word: String) -> String {
    let is_plural = word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("is");
    if is_plural && word.len() > 3 {
        word.pop();
    }
    word
}

/// Returns a heading without the number in front: `8.1 Laboratory` is `Laboratory`.
pub(super) fn without_number(heading: &str) -> &str {
    let text = heading.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if text.len() < heading.len() && text.starts_with(char::is_whitespace) {
        text.trim_start()
    } else {
        heading
    }
}
