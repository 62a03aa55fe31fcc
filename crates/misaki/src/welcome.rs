//! The first thing that she says: by the time of day and by how often somebody was here; the same for the same person
//! during the same hour.

pub(crate) mod http;

use chrono::{DateTime, Timelike, Utc};
use db::Scope;
use identity::Principal;
use kernel::Lang;
use serde::Serialize;

use crate::{
    Error, Misaki,
    bar::bar_hour,
    chat,
    persona::{self, Card},
    phrase::{REGULAR, Visits, When, fnv1a},
};

/// What she says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = FirstWords)]
pub(crate) struct Welcome {
    pub(crate) text: String,
    pub(crate) when: When,
    pub(crate) visits: Visits,
}

/// The first words for whoever has come.
async fn welcome(room: &Misaki, caller: Option<Principal>, lang: Lang) -> Result<Welcome, Error> {
    let now = room.cx.clock.now();
    let scope = caller.map_or(Scope::House("a welcome"), |caller| caller.scope());
    let mut tx = room.cx.db.begin(scope).await?;
    let (_, card) = persona::current(&mut tx, room).await?;
    let talks = match caller {
        Some(caller) => chat::count(&mut tx, caller.tenant, REGULAR).await?,
        None => 0,
    };
    tx.commit().await?;
    let who = caller.map(|caller| caller.tenant.to_string());
    Ok(choose(&card, (lang, &who.unwrap_or_default()), talks, now))
}

fn choose(card: &Card, (lang, who): (Lang, &str), talks: i64, now: DateTime<Utc>) -> Welcome {
    let when = When::of_hour(bar_hour(now));
    let visits = Visits::of_talks(talks);
    let ours = card.ours().greetings;
    let fits = ours.iter().filter(|greeting| {
        (greeting.when == When::Any || greeting.when == when)
            && (greeting.visits == Visits::Any || greeting.visits == visits)
    });
    let mut texts: Vec<&str> = fits.map(|greeting| greeting.text.get(lang)).collect();
    if texts.is_empty() {
        let usual = [card.data.first_mes.as_str()].into_iter();
        texts = usual
            .chain(card.data.alternate_greetings.iter().map(String::as_str))
            .collect();
    }
    texts.retain(|text| !text.trim().is_empty());
    let hour = now.date_naive().and_hms_opt(now.hour(), 0, 0);
    let seed = usize::try_from(fnv1a(&format!("{who}:{hour:?}"))).unwrap_or_default();
    let text = texts
        .get(seed.checked_rem(texts.len()).unwrap_or_default())
        .copied()
        .unwrap_or_default();
    Welcome {
        text: card.fill(text, lang),
        when,
        visits,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::persona::Known;

    fn at(hour: u32) -> DateTime<Utc> {
        format!("2026-11-20T{hour:02}:10:00Z").parse().unwrap()
    }

    #[test]
    fn the_hour_and_the_visits_decide_and_the_same_hour_says_the_same() {
        let (_, card) = Known::first().unwrap().get();
        let say = |who: &str, talks, hour| choose(&card, (Lang::Ja, who), talks, at(hour));
        // ten in the morning UTC is seven in the evening at the bar
        let evening = say("a", 9, 10);
        assert_eq!(
            (evening.when, evening.visits),
            (When::Evening, Visits::Regular)
        );
        assert_eq!(say("a", 9, 10), evening);
        assert_eq!(say("a", 2, 16).when, When::Night);
        assert_eq!(say("a", 0, 0).visits, Visits::First);
        let said: std::collections::HashSet<String> = (0..24)
            .flat_map(|hour| [0, 2, 9].map(|talks| say("a", talks, hour).text))
            .collect();
        assert!(said.len() >= 6, "{said:?}");
        let english = choose(&card, (Lang::En, "a"), 9, at(10)).text;
        assert!(english.is_ascii(), "{english}");
    }

    #[test]
    fn a_card_from_elsewhere_greets_with_its_own_words() {
        let card = json!({ "spec": "chara_card_v2", "data": { "name": "あき", "first_mes": "{{char}}よ", "alternate_greetings": ["{{user}}ね"] } });
        let card = Card::read(card).unwrap();
        let said: std::collections::HashSet<String> = (0..24)
            .map(|hour| choose(&card, (Lang::Ja, "a"), 0, at(hour)).text)
            .collect();
        assert_eq!(said, ["あきよ", "お客さんね"].map(str::to_owned).into());
    }
}
