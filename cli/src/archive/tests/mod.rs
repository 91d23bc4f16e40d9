//! The archive with real databases. The tests of both databases have the same bodies.

mod rig;

mod documented;

mod measure;

mod outages;

mod ranks;

mod stored;

/// A test for each database.
macro_rules! for_both {
    ($($name:ident),* $(,)?) => {
        mod postgres {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(crate::archive::tests::rig::Place::postgres().await).await;
                }
            )*
        }

        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(crate::archive::tests::rig::Place::sqlite().await).await;
                }
            )*
        }
    };
}

use for_both;
