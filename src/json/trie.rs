//! Pointers merged into a trie, so that a document is walked once for all of them.

use std::sync::Arc;

use super::pointer::{Pointer, Token};

/// A place that pointers lead to or through.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) is_root: bool,
    /// The pointers that end here.
    pub(super) ends: Vec<usize>,
    /// The pointers whose first `*` stands for the elements of what is here.
    pub(super) counted: Vec<usize>,
    pub(super) keys: Vec<(Box<str>, Edge)>,
    /// Elements with a pointer of their own; `every` is merged into each.
    indexes: Vec<(usize, Arc<Self>)>,
    every: Option<Arc<Self>>,
}

/// The way to a member of an object.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    /// Its place among all edges of the trie.
    pub(super) number: usize,
    /// The pointers that go this way.
    pub(super) pointers: Vec<usize>,
    pub(super) node: Arc<Node>,
}

impl Node {
    /// The trie of all `pointers`, and how many edges it has.
    pub(super) fn root(pointers: &[Pointer]) -> (Self, usize) {
        let mut edges = 0;
        let all: Vec<usize> = (0..pointers.len()).collect();
        let root = Self::build(pointers, &all, 0, &mut edges);
        (
            Self {
                is_root: true,
                ..root
            },
            edges,
        )
    }

    /// The trie of the `group` of `pointers`, of which `depth` tokens are already behind.
    fn build(pointers: &[Pointer], group: &[usize], depth: usize, edges: &mut usize) -> Self {
        let tokens = |pointer: &usize| pointers.get(*pointer).map_or(&[][..], Pointer::tokens);
        let pick = |wanted: &dyn Fn(Option<&Token>) -> bool| -> Vec<usize> {
            group
                .iter()
                .copied()
                .filter(|p| wanted(tokens(p).get(depth)))
                .collect()
        };
        let mut node = Self {
            ends: pick(&|token| token.is_none()),
            ..Self::default()
        };

        let starred = pick(&|token| token == Some(&Token::Every));
        if !starred.is_empty() {
            let first = |p: &usize| tokens(p).iter().position(|t| *t == Token::Every);
            node.counted = starred
                .iter()
                .copied()
                .filter(|p| first(p) == Some(depth))
                .collect();
            node.every = Some(Arc::new(Self::build(pointers, &starred, depth + 1, edges)));
        }

        for token in group.iter().filter_map(|p| tokens(p).get(depth)) {
            let Token::Key(key) = token else { continue };
            if node.keys.iter().any(|(known, _)| **known == **key) {
                continue;
            }
            let number = *edges;
            *edges += 1;
            let same = pick(&|other| other == Some(token));
            let child = Arc::new(Self::build(pointers, &same, depth + 1, edges));
            if let Some(index) = token.index() {
                let element = if starred.is_empty() {
                    Arc::clone(&child)
                } else {
                    let both = pick(&|t| t == Some(token) || t == Some(&Token::Every));
                    Arc::new(Self::build(pointers, &both, depth + 1, edges))
                };
                node.indexes.push((index, element));
            }
            node.keys.push((
                key.as_str().into(),
                Edge {
                    number,
                    pointers: same,
                    node: child,
                },
            ));
        }
        node
    }

    /// The node of the element at `index` of an array.
    pub(super) fn element(&self, index: usize) -> Option<&Self> {
        let own = self
            .indexes
            .iter()
            .find(|(known, _)| *known == index)
            .map(|(_, node)| node);
        own.or(self.every.as_ref()).map(|node| &**node)
    }

    /// Whether anything below is of interest.
    pub(super) fn leads_on(&self) -> bool {
        self.is_root || !self.keys.is_empty() || self.every.is_some()
    }
}
