//! A conversation as a tree: what is shown of it, and what are versions of each other.

use super::{MessageId, Speaker};

/// A message as the tree knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: MessageId,
    pub(super) parent: Option<MessageId>,
    pub(super) speaker: Speaker,
}

/// The messages of one conversation in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Tree(pub(super) Vec<Node>);

impl Tree {
    fn find(&self, id: MessageId) -> Option<&Node> {
        self.0.iter().find(|node| node.id == id)
    }

    /// From the first message to the leaf.
    pub(crate) fn path(&self, leaf: Option<MessageId>) -> Vec<MessageId> {
        let mut path = Vec::new();
        let mut next = leaf;
        while let Some(node) = next.and_then(|id| self.find(id)) {
            path.push(node.id);
            next = node.parent;
            if path.len() > self.0.len() {
                break;
            }
        }
        path.reverse();
        path
    }

    /// What one speaker said at the same place, oldest first.
    pub(super) fn versions(&self, of: &Node) -> Vec<MessageId> {
        self.0
            .iter()
            .filter(|node| node.parent == of.parent && node.speaker == of.speaker)
            .map(|node| node.id)
            .collect()
    }

    /// The versions of a message, by its id.
    pub(crate) fn versions_of(&self, id: MessageId) -> Vec<MessageId> {
        self.find(id)
            .map(|node| self.versions(node))
            .unwrap_or_default()
    }

    /// The end of the branch that was talked in last from a message on.
    pub(crate) fn newest_leaf(&self, from: MessageId) -> MessageId {
        let mut leaf = from;
        for _ in 0..self.0.len() {
            match self.0.iter().rfind(|node| node.parent == Some(leaf)) {
                Some(child) => leaf = child.id,
                None => break,
            }
        }
        leaf
    }

    /// A message and everything that follows it.
    pub(crate) fn from(&self, id: MessageId) -> Vec<MessageId> {
        let mut all = vec![id];
        for node in &self.0 {
            if node.parent.is_some_and(|parent| all.contains(&parent)) {
                all.push(node.id);
            }
        }
        all
    }

    /// Where the talk ends once a message is gone with everything that followed it: in the version before it or after it,
    /// else at what it followed.
    pub(crate) fn leaf_without(
        &self,
        gone: MessageId,
        leaf: Option<MessageId>,
    ) -> Option<MessageId> {
        if !self.path(leaf).contains(&gone) {
            return leaf;
        }
        let versions = self.versions_of(gone);
        let at = versions.iter().position(|id| *id == gone)?;
        let other = at
            .checked_sub(1)
            .and_then(|before| versions.get(before))
            .or_else(|| versions.get(at + 1));
        other.map_or_else(
            || self.find(gone).and_then(|node| node.parent),
            |version| Some(self.newest_leaf(*version)),
        )
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> MessageId {
        MessageId(Uuid::from_u128(n))
    }

    /// 1 → 2 → 5 → 6, 1 → 3 (asked anew), 4 (edited) → 7
    fn tree() -> Tree {
        use Speaker::{Assistant, User};
        let nodes = [
            (1, None, User),
            (2, Some(1), Assistant),
            (3, Some(1), Assistant),
            (4, None, User),
            (5, Some(2), User),
            (6, Some(5), Assistant),
            (7, Some(4), Assistant),
        ];
        Tree(
            nodes
                .map(|(n, parent, speaker)| Node {
                    id: id(n),
                    parent: parent.map(id),
                    speaker,
                })
                .to_vec(),
        )
    }

    #[test]
    fn what_is_shown_is_the_way_to_the_leaf() {
        assert_eq!(tree().path(Some(id(6))), [1, 2, 5, 6].map(id));
        assert_eq!(tree().path(Some(id(3))), [1, 3].map(id));
        assert!(tree().path(None).is_empty());
    }

    #[test]
    fn versions_stand_at_the_same_place() {
        assert_eq!(tree().versions_of(id(2)), [2, 3].map(id));
        assert_eq!(tree().versions_of(id(4)), [1, 4].map(id));
        assert_eq!(tree().versions_of(id(5)), [id(5)]);
    }

    #[test]
    fn a_version_is_shown_with_what_was_said_after_it() {
        assert_eq!(tree().newest_leaf(id(2)), id(6));
        assert_eq!(tree().newest_leaf(id(4)), id(7));
        assert_eq!(tree().newest_leaf(id(3)), id(3));
    }

    #[test]
    fn a_message_goes_with_all_that_follows_it() {
        assert_eq!(tree().from(id(2)), [2, 5, 6].map(id));
        assert_eq!(tree().from(id(4)), [4, 7].map(id));
    }

    #[test]
    fn after_a_deletion_the_talk_ends_at_a_neighbour() {
        assert_eq!(tree().leaf_without(id(2), Some(id(6))), Some(id(3)));
        assert_eq!(tree().leaf_without(id(3), Some(id(3))), Some(id(6)));
        assert_eq!(tree().leaf_without(id(5), Some(id(6))), Some(id(2)));
        assert_eq!(
            tree().leaf_without(id(3), Some(id(6))),
            Some(id(6)),
            "another branch"
        );
        assert_eq!(tree().leaf_without(id(1), Some(id(6))), Some(id(7)));
    }
}
