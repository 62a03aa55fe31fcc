//! What the web app's pages say of themselves to whoever runs no scripts: search engines, previews of links, crawlers.

use entitlement::Catalogue;
use kernel::{Lang, Text, Yen};
use minijinja::{Environment, context};
use serde_json::{Value, json};

use crate::urls::PublicUrls;

const HOUSE: Text = Text::new("暖簾 Noren", "Noren");

/// A page for everybody.
struct Page {
    path: &'static str,
    title: Text,
    lead: Text,
    /// The shop whose plans it names.
    sells: Option<&'static str>,
}

const fn page(
    path: &'static str,
    title: (&'static str, &'static str),
    lead: (&'static str, &'static str),
    sells: Option<&'static str>,
) -> Page {
    Page {
        path,
        title: Text::new(title.0, title.1),
        lead: Text::new(lead.0, lead.1),
        sells,
    }
}

static PUBLIC: [Page; 13] = [
    page(
        "/",
        ("暖簾 Noren", "Noren"),
        (
            "四つのお店が、ひとつの帳場でつながっています。アカウントも、お支払いも、使った分の記録もひとつ。",
            "Four shops share one counter: one account, one bill, one record of what you used.",
        ),
        None,
    ),
    page(
        "/misaki",
        ("スナック みさき", "Snack Misaki"),
        (
            "ママが話し相手。最初のひと言は無料で、登録もいりません。",
            "A kind host to talk to. The first words are free, and no account is needed.",
        ),
        Some("misaki"),
    ),
    page(
        "/genai",
        ("GenAI Platform", "GenAI Platform"),
        (
            "GPT、Claude、Llama を同じAPIで呼び、リクエストごとにトークン数と費用が残ります。上限はプランが決めます。",
            "Call GPT, Claude and Llama through one API, with tokens and cost on record for each request. Your plan sets the limits.",
        ),
        Some("genai"),
    ),
    page(
        "/genai/docs",
        ("APIリファレンス", "API reference"),
        (
            "推論APIの認証、リクエスト、結果の受け取り、ストリーム、取り消し、見積もり、エラーと上限。",
            "The inference API: authentication, requests, results, streams, cancelling, quotes, errors and limits.",
        ),
        None,
    ),
    page(
        "/genai/status",
        ("稼働状況", "Status"),
        (
            "実際のリクエストから見た、いまのモデルの調子。",
            "How the models are doing, seen from real requests.",
        ),
        None,
    ),
    page(
        "/webgpt",
        ("WEBGPT", "WEBGPT"),
        (
            "サイトのURLだけで、出典つきで答えるボット。準備中です。",
            "Give it your site; it answers with sources. Coming.",
        ),
        None,
    ),
    page(
        "/narai",
        ("習い事Prime", "Naraigoto Prime"),
        (
            "近くの教室を、チケットで三歩で予約。準備中です。",
            "Lessons nearby, booked in three steps. Coming.",
        ),
        None,
    ),
    page(
        "/plans/misaki",
        ("スナック みさきのプラン", "Plans of Snack Misaki"),
        (
            "料金はすべて税込みで、毎月のお支払いです。いつでも解約できます。",
            "Prices include tax and are paid monthly. Cancel whenever you like.",
        ),
        Some("misaki"),
    ),
    page(
        "/plans/genai",
        ("GenAI Platformのプラン", "Plans of GenAI Platform"),
        (
            "料金はすべて税込みで、毎月のお支払いです。いつでも解約できます。",
            "Prices include tax and are paid monthly. Cancel whenever you like.",
        ),
        Some("genai"),
    ),
    page(
        "/sign-up",
        ("アカウントをつくる", "Create an account"),
        (
            "ひとつのアカウントで、どのお店にも入れます。",
            "One account opens every shop.",
        ),
        None,
    ),
    page(
        "/legal/terms",
        ("利用規約", "Terms of service"),
        ("このサービスの利用規約。", "The terms of this service."),
        None,
    ),
    page(
        "/legal/privacy",
        ("プライバシーポリシー", "Privacy policy"),
        (
            "お預かりする情報と、その使い道。",
            "What is kept about you, and what for.",
        ),
        None,
    ),
    page(
        "/legal/tokushoho",
        ("特定商取引法に基づく表記", "Seller information"),
        (
            "販売者、料金、お支払い、解約について。",
            "Who sells, what it costs, how to pay and how to cancel.",
        ),
        None,
    ),
];

/// For crawlers; what lies behind a sign-in or is meant for one person is not theirs.
const PRIVATE: [&str; 6] = ["account", "admin", "auth", "billing", "link", "sandbox"];

/// Whether a path is a page for everybody.
pub(super) fn is_public(path: &str) -> bool {
    PUBLIC.iter().any(|page| page.path == path)
}

/// The templates of what is written into the app's page.
pub(super) struct Public {
    templates: Environment<'static>,
    urls: PublicUrls,
}

/// What is written into the app's page.
pub(super) struct Parts {
    pub(super) head: String,
    pub(super) body: String,
}

struct Sold {
    title: String,
    yen: i64,
    price: String,
    highlights: Vec<String>,
}

impl Sold {
    fn value(&self) -> minijinja::Value {
        context! { title => self.title.as_str(), price => self.price.as_str(), highlights => self.highlights.clone() }
    }
}

impl Public {
    /// # Errors
    /// When a template is broken.
    pub(super) fn new(urls: PublicUrls) -> Result<Self, minijinja::Error> {
        let mut templates = Environment::new();
        for (name, text) in [
            ("head.html", include_str!("../../assets/public/head.html")),
            ("page.html", include_str!("../../assets/public/page.html")),
            (
                "sitemap.xml",
                include_str!("../../assets/public/sitemap.xml"),
            ),
        ] {
            templates.add_template(name, text)?;
        }
        Ok(Self { templates, urls })
    }

    /// The parts of the page at a path, in the language that its address names. Pages that are not for everybody are to be found by nobody.
    pub(super) fn parts(
        &self,
        path: &str,
        lang: Lang,
        catalogue: &Catalogue,
    ) -> Result<Parts, minijinja::Error> {
        let known = PUBLIC.iter().find(|page| page.path == path);
        let shown = known.unwrap_or(&PUBLIC[0]);
        let say = |text: &Text| text.get(lang).to_owned();
        let plans = known
            .and_then(|page| page.sells)
            .map_or_else(Vec::new, |storefront| sold(catalogue, storefront, lang));
        let url = known.map(|page| self.address(page.path, lang));
        let title = if shown.path == "/" {
            say(&HOUSE)
        } else {
            format!("{} | {}", shown.title.get(lang), HOUSE.get(lang))
        };
        let data = known.map(|page| written(&self.data(page, &plans, lang)));
        let links: Vec<minijinja::Value> = PUBLIC
            .iter()
            .filter(|page| page.path != path)
            .map(|page| context! { url => self.address(page.path, lang), title => page.title.get(lang) })
            .collect();
        let values = context! {
            title,
            heading => say(&shown.title),
            lead => say(&shown.lead),
            inference => self.urls.inference.as_str(),
            url,
            ja => self.address(shown.path, Lang::Ja),
            en => self.address(shown.path, Lang::En),
            house => say(&HOUSE),
            locale => if lang == Lang::Ja { "ja_JP" } else { "en_US" },
            data,
            plans => plans.iter().map(Sold::value).collect::<Vec<_>>(),
            links,
            words => context! {
                plans => say(&Text::new("プラン", "Plans")),
                scripts => say(&Text::new("この画面を使うには JavaScript が必要です。", "JavaScript is needed to use this page.")),
            },
        };
        Ok(Parts {
            head: self.templates.get_template("head.html")?.render(&values)?,
            body: self.templates.get_template("page.html")?.render(&values)?,
        })
    }

    pub(super) fn sitemap(&self) -> Result<String, minijinja::Error> {
        let pages: Vec<_> = PUBLIC
            .iter()
            .map(|page| {
                context! { ja => self.address(page.path, Lang::Ja), en => self.address(page.path, Lang::En) }
            })
            .collect();
        self.templates
            .get_template("sitemap.xml")?
            .render(context! { pages })
    }

    /// RFC 9309.
    pub(super) fn robots(&self) -> String {
        let mut lines = vec!["User-agent: *".to_owned()];
        lines.extend(PRIVATE.map(|first| format!("Disallow: /{first}")));
        let map = self.address("/sitemap.xml", Lang::Ja);
        lines.push(format!("Sitemap: {map}\n"));
        lines.join("\n")
    }

    fn address(&self, path: &str, lang: Lang) -> String {
        let base = self.urls.account.trim_end_matches('/');
        match lang {
            Lang::Ja => format!("{base}{path}"),
            Lang::En => format!("{base}{path}?lang=en"),
        }
    }

    /// In the terms of schema.org.
    fn data(&self, page: &Page, plans: &[Sold], lang: Lang) -> Value {
        let url = self.address(page.path, lang);
        let (name, text) = (page.title.get(lang), page.lead.get(lang));
        if plans.is_empty() {
            let kind = if page.path == "/" {
                "WebSite"
            } else {
                "WebPage"
            };
            return json!({
                "@context": "https://schema.org", "@type": kind, "name": name, "description": text, "url": url,
            });
        }
        let offers: Vec<Value> = plans
            .iter()
            .map(|plan| {
                let shop = page.sells.unwrap_or_default();
                json!({
                    "@type": "Offer", "name": plan.title, "price": plan.yen.to_string(), "priceCurrency": "JPY",
                    "url": self.address(&format!("/plans/{shop}"), lang),
                })
            })
            .collect();
        json!({
            "@context": "https://schema.org", "@type": "SoftwareApplication", "name": name, "description": text,
            "url": url, "applicationCategory": "WebApplication", "operatingSystem": "Web", "offers": offers,
        })
    }
}

/// A script's text can't hold what would end the script.
fn written(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c")
}

fn sold(catalogue: &Catalogue, storefront: &str, lang: Lang) -> Vec<Sold> {
    let mut plans: Vec<Sold> = catalogue
        .of(storefront)
        .map(|plan| Sold {
            title: plan.terms.title.get(lang).to_owned(),
            yen: plan.terms.price_yen.0,
            price: price(plan.terms.price_yen, lang),
            highlights: plan
                .terms
                .highlights
                .iter()
                .map(|line| line.get(lang).to_owned())
                .collect(),
        })
        .collect();
    plans.sort_by_key(|plan| plan.yen);
    plans
}

fn price(yen: Yen, lang: Lang) -> String {
    match (yen, lang) {
        (Yen::ZERO, Lang::Ja) => "無料".to_owned(),
        (Yen::ZERO, Lang::En) => "free".to_owned(),
        (yen, Lang::Ja) => format!("月額{}円（税込み）", yen.0),
        (yen, Lang::En) => format!("¥{} a month, tax included", yen.0),
    }
}
