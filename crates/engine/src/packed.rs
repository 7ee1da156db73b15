//! A map for parts of a twin: a plain sorted list while it is short, a persistent tree once it is long.
//!
//! Most twins have a handful of edges, a few have hundreds of thousands. A tree node would cost the
//! former a kilobyte, a list would cost the latter a copy of everything per change.

use imbl::OrdMap;
use std::{fmt, ops::Bound};

/// Entries up to which a map is a list.
pub(crate) const LIST: usize = 16;

/// A map in the order of its keys, cheap to clone.
#[derive(Clone)]
pub(crate) enum Packed<K, V> {
    List(Box<[(K, V)]>),
    Tree(OrdMap<K, V>),
}

impl<K: Ord + Clone + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for Packed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, V> Default for Packed<K, V> {
    fn default() -> Self {
        Self::List(Box::default())
    }
}

impl<K: Ord + Clone, V: Clone> Packed<K, V> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Tree(tree) => tree.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self {
            Self::List(list) => {
                let at = list.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                list.get(at).map(|(_, v)| v)
            }
            Self::Tree(tree) => tree.get(key),
        }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::List(list) => match list.binary_search_by(|(k, _)| k.cmp(&key)) {
                Ok(at) => list.get_mut(at).map(|(_, v)| std::mem::replace(v, value)),
                Err(_) if list.len() >= LIST => {
                    let mut tree: OrdMap<K, V> = std::mem::take(list).into_iter().collect();
                    tree.insert(key, value);
                    *self = Self::Tree(tree);
                    None
                }
                Err(at) => {
                    let mut longer = std::mem::take(list).into_vec();
                    longer.reserve_exact(1);
                    longer.insert(at, (key, value));
                    *list = longer.into_boxed_slice();
                    None
                }
            },
            Self::Tree(tree) => tree.insert(key, value),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Self::List(list) => {
                let at = list.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                let mut shorter = std::mem::take(list).into_vec();
                let (_, value) = shorter.remove(at);
                *list = shorter.into_boxed_slice();
                Some(value)
            }
            Self::Tree(tree) => {
                let value = tree.remove(key);
                if tree.len() <= LIST / 2 {
                    *self = Self::List(std::mem::take(tree).into_iter().collect());
                }
                value
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (list, tree) = match self {
            Self::List(list) => (Some(list.iter()), None),
            Self::Tree(tree) => (None, Some(tree.iter())),
        };
        list.into_iter()
            .flatten()
            .map(|(k, v)| (k, v))
            .chain(tree.into_iter().flatten())
    }

    /// The entries from a key on, in order.
    pub(crate) fn from<'a>(
        &'a self,
        key: &K,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
        let (list, tree) = match self {
            Self::List(list) => {
                let at = list.partition_point(|(k, _)| k < key);
                (Some(list.iter().skip(at)), None)
            }
            Self::Tree(tree) => (
                None,
                Some(tree.range((Bound::Included(key.clone()), Bound::Unbounded))),
            ),
        };
        list.into_iter()
            .flatten()
            .map(|(k, v)| (k, v))
            .chain(tree.into_iter().flatten())
    }

    /// The key as the map holds it, and its value.
    pub(crate) fn entry(&self, key: &K) -> Option<(&K, &V)> {
        match self {
            Self::List(list) => {
                let at = list.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                list.get(at).map(|(k, v)| (k, v))
            }
            Self::Tree(tree) => tree.get_key_value(key),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_is_a_map_at_every_size() {
        let mut packed = Packed::default();
        let mut model = BTreeMap::new();
        for step in 0..400_u32 {
            // Grows past the list's limit, shrinks under it, twice.
            let key = step * 7 % 40;
            if step / 40 % 2 == 0 {
                assert_eq!(packed.insert(key, step), model.insert(key, step));
            } else {
                assert_eq!(packed.remove(&key), model.remove(&key));
            }
            assert!(packed.iter().eq(model.iter()));
            assert!(packed.from(&20).eq(model.range(20..)));
            assert_eq!(packed.get(&key), model.get(&key));
        }
        for key in 0..=LIST as u32 {
            packed.insert(key, 0);
        }
        assert!(matches!(packed, Packed::Tree(_)), "the limit was met");
    }
}
