//! Documents: as each door takes them, as each provider reads them, and what is refused with its place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm::anthropic::door as messages;
use llm::openai::door as chat;
use llm::tokens::{Vocabulary, count_request};
use llm::{ChatRequest, Document, DocumentSource, Message, Part, Refusal, Role, Tool, ToolResult};
use serde_json::{Value, json};

const PAGES: &str = "%PDF-1.4\n<</Type /Pages /Count 2>> <</Type /Page>> <</Type /Page>>";
const URL: &str = "https://example.test/a.pdf";

fn pdf() -> String {
    STANDARD.encode(PAGES)
}

fn data_url(kind: &str, data: &str) -> String {
    format!("data:{kind};base64,{data}")
}

/// What a turn with this part is read as, at the door of its dialect.
fn by_messages(block: &Value) -> Result<ChatRequest, Refusal> {
    let turn = json!([{"role": "user", "content": [block, {"type": "text", "text": "?"}]}]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": turn});
    messages::read_messages(body.to_string().as_bytes())
}

fn by_chat(file: &Value) -> Result<ChatRequest, Refusal> {
    let part = json!({"type": "file", "file": file});
    let turn = json!([{"role": "user", "content": [part, {"type": "text", "text": "?"}]}]);
    let body = json!({"model": "m", "messages": turn});
    Ok(chat::read_chat(body.to_string().as_bytes())?.request)
}

fn by_responses(file: &Value) -> Result<ChatRequest, Refusal> {
    let mut part = file.clone();
    let fields = part.as_object_mut().unwrap();
    fields.insert("type".to_owned(), "input_file".into());
    let turn = json!([{"role": "user", "content": [part, {"type": "input_text", "text": "?"}]}]);
    let body = json!({"model": "m", "input": turn});
    let before = chat::SaidBefore::new();
    Ok(chat::read_response(body.to_string().as_bytes(), &before)?.request)
}

fn document(title: Option<&str>, context: Option<&str>) -> Document {
    Document {
        title: title.map(ToOwned::to_owned),
        context: context.map(ToOwned::to_owned),
        source: DocumentSource::Base64 {
            data: pdf(),
            pages: 2,
        },
    }
}

fn at_url() -> Document {
    Document {
        source: DocumentSource::Url(URL.to_owned()),
        ..document(None, None)
    }
}

fn first(request: &ChatRequest) -> &Part {
    request.messages.first().unwrap().parts.first().unwrap()
}

#[test]
fn each_door_reads_a_document_and_what_is_said_about_it() {
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": pdf()});
    let block = json!({"type": "document", "source": source, "title": "契約書", "context": "案",
        "cache_control": {"type": "ephemeral"}, "citations": {"enabled": false}});
    let titled = by_messages(&block).unwrap();
    let want = document(Some("契約書"), Some("案"));
    assert_eq!(first(&titled), &Part::Document(want));
    let bare = by_messages(&json!({"type": "document", "source": source})).unwrap();
    assert_eq!(first(&bare), &Part::Document(document(None, None)));

    let named = Part::Document(document(Some("a.pdf"), None));
    for data in [data_url("application/pdf", &pdf()), pdf()] {
        let file = json!({"filename": "a.pdf", "file_data": data});
        assert_eq!(first(&by_chat(&file).unwrap()), &named);
        assert_eq!(first(&by_responses(&file).unwrap()), &named);
    }

    let source = json!({"type": "url", "url": URL});
    for asked in [
        by_messages(&json!({"type": "document", "source": source})),
        by_chat(&json!({"file_id": URL, "format": "application/pdf"})),
        by_responses(&json!({"file_url": URL, "file_data": null, "detail": "high"})),
    ] {
        assert_eq!(first(&asked.unwrap()), &Part::Document(at_url()));
    }
}

#[test]
fn a_document_of_text_is_words_with_its_title() {
    let said = Part::Text("a.md\n# 見出し".to_owned());
    let data = STANDARD.encode("# 見出し");
    let file =
        json!({"filename": "a.md", "file_data": data_url("text/markdown;charset=utf-8", &data)});
    assert_eq!(first(&by_chat(&file).unwrap()), &said);
    assert_eq!(first(&by_responses(&file).unwrap()), &said);
    for source in [
        json!({"type": "text", "media_type": "text/plain", "data": "# 見出し"}),
        json!({"type": "content", "content": [{"type": "text", "text": "# 見出し"}]}),
    ] {
        let block = json!({"type": "document", "title": "a.md", "source": source});
        assert_eq!(first(&by_messages(&block).unwrap()), &said);
    }
}

#[test]
fn what_a_tool_gives_to_read_stays_with_its_result() {
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": pdf()});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [
        {"type": "text", "text": "here"}, {"type": "document", "title": "a.pdf", "source": source}]});
    let output = json!({"model": "m", "input": [{"type": "function_call_output", "call_id": "t", "output": [
        {"type": "input_text", "text": "here"},
        {"type": "input_file", "filename": "a.pdf", "file_data": data_url("application/pdf", &pdf())}]}]});
    let before = chat::SaidBefore::new();
    let response = chat::read_response(output.to_string().as_bytes(), &before).unwrap();
    let want = Part::Result(ToolResult {
        call: "t".to_owned(),
        text: "here".to_owned(),
        documents: vec![document(Some("a.pdf"), None)],
        ..ToolResult::default()
    });
    assert_eq!(first(&by_messages(&result).unwrap()), &want);
    assert_eq!(first(&response.request), &want);
    assert_eq!(response.request.messages[0].documents().count(), 1);
}

#[test]
fn a_bad_document_is_refused_at_its_place() {
    let no_pdf = STANDARD.encode("PK zip");
    let base64 = |kind: &str, data: &str| json!({"type": "document", "source": {"type": "base64", "media_type": kind, "data": data}});
    let source = "/messages/0/content/0/source";
    for (block, place) in [
        (base64("application/pdf", "%%%"), format!("{source}/data")),
        (base64("application/pdf", &no_pdf), format!("{source}/data")),
        (base64("application/pdf", ""), format!("{source}/data")),
        (
            base64("application/zip", &pdf()),
            format!("{source}/media_type"),
        ),
        (base64("text/plain", "//8="), format!("{source}/data")),
        (
            json!({"type": "document", "source": {"type": "url", "url": "file:///etc/passwd"}}),
            format!("{source}/url"),
        ),
        (
            json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
            format!("{source}/file_id"),
        ),
        (
            json!({"type": "document", "source": {"type": "text", "media_type": "text/html", "data": "x"}}),
            format!("{source}/media_type"),
        ),
        (
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": ""}}),
            format!("{source}/data"),
        ),
        (
            json!({"type": "document", "source": {"type": "odd"}}),
            format!("{source}/type"),
        ),
        (
            json!({"type": "document", "citations": {"enabled": true}, "source": {"type": "url", "url": URL}}),
            "/messages/0/content/0/citations/enabled".to_owned(),
        ),
        (
            json!({"type": "document", "title": "x".repeat(501), "source": {"type": "url", "url": URL}}),
            "/messages/0/content/0/title".to_owned(),
        ),
    ] {
        let refused = by_messages(&block).unwrap_err();
        assert_eq!(refused.pointer, Some(place), "{block}");
    }
    for (file, field) in [
        (
            json!({"file_data": data_url("application/pdf", "%%%")}),
            "file_data",
        ),
        (
            json!({"file_data": data_url("application/pdf", &no_pdf)}),
            "file_data",
        ),
        (
            json!({"file_data": data_url("application/pdf", "")}),
            "file_data",
        ),
        (
            json!({"file_data": data_url("image/png", &pdf())}),
            "file_data",
        ),
        (json!({"file_data": "data:application/pdf,x"}), "file_data"),
        (json!({"file_data": no_pdf}), "file_data"),
        (json!({"file_data": 1}), "file_data"),
        (json!({"file_id": "file-1"}), "file_id"),
        (json!({"filename": "a.pdf"}), "file_data"),
    ] {
        let refused = by_chat(&file).unwrap_err();
        let place = format!("/messages/0/content/0/file/{field}");
        assert_eq!(refused.pointer, Some(place), "{file}");
        let refused = by_responses(&file).unwrap_err();
        let place = format!("/input/0/content/0/{field}");
        assert_eq!(refused.pointer, Some(place), "{file}");
    }
    let by_url = by_responses(&json!({"file_url": "ftp://example.test/a.pdf"})).unwrap_err();
    assert_eq!(
        by_url.pointer.as_deref(),
        Some("/input/0/content/0/file_url")
    );
}

#[test]
fn a_model_gives_nobody_a_document_and_there_are_never_too_many() {
    let file = json!({"type": "file", "file": {"file_data": pdf()}});
    for role in ["system", "assistant"] {
        let body = json!({"model": "m", "messages": [{"role": role, "content": [file]}]});
        let refused = chat::read_chat(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(
            refused.pointer.as_deref(),
            Some("/messages/0/content/0/type")
        );
    }
    let body = |count: usize| {
        let turn = json!({"role": "user", "content": vec![&file; count]});
        json!({"model": "m", "messages": [turn]}).to_string()
    };
    assert!(chat::read_chat(body(100).as_bytes()).is_ok());
    let refused = chat::read_chat(body(101).as_bytes()).unwrap_err();
    assert_eq!(refused.pointer.as_deref(), Some("/messages"));
}

fn bedrock(request: &ChatRequest) -> Result<Value, Refusal> {
    llm::bedrock::encode(request, "run")
}

fn asked(parts: Vec<Part>, role: Role) -> ChatRequest {
    ChatRequest {
        model: "m".to_owned(),
        messages: vec![Message { role, parts }],
        ..ChatRequest::default()
    }
}

#[test]
fn each_provider_is_given_it_in_its_own_form() {
    let spoken = asked(
        vec![
            Part::Document(document(Some("契約書 v2.pdf"), Some("案"))),
            Part::Document(document(None, None)),
            Part::Text("?".to_owned()),
        ],
        Role::User,
    );
    let url = data_url("application/pdf", &pdf());
    assert_eq!(
        llm::openai::encode(&spoken)["messages"][0]["content"],
        json!([
            {"type": "text", "text": "案"},
            {"type": "file", "file": {"filename": "契約書 v2.pdf", "file_data": url}},
            {"type": "file", "file": {"filename": "document.pdf", "file_data": url}},
            {"type": "text", "text": "?"},
        ])
    );
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": pdf()});
    assert_eq!(
        llm::anthropic::encode(&spoken)["messages"][0]["content"],
        json!([
            {"type": "document", "source": source, "title": "契約書 v2.pdf", "context": "案"},
            {"type": "document", "source": source},
            {"type": "text", "text": "?"},
        ])
    );
    let bytes = json!({"bytes": pdf()});
    assert_eq!(
        bedrock(&spoken).unwrap()["messages"][0]["content"],
        json!([
            {"text": "契約書 v2.pdf\n案"},
            {"document": {"format": "pdf", "name": "v2", "source": bytes}},
            {"text": "document"},
            {"document": {"format": "pdf", "name": "document", "source": bytes}},
            {"text": "?"},
        ])
    );
    let by_url = asked(vec![Part::Document(at_url())], Role::User);
    assert_eq!(
        llm::anthropic::encode(&by_url)["messages"][0]["content"][0]["source"],
        json!({"type": "url", "url": URL})
    );
    assert!(bedrock(&by_url).is_err());
}

#[test]
fn a_result_gives_it_where_the_protocol_lets_it() {
    let result = ToolResult {
        call: "t".to_owned(),
        text: "here".to_owned(),
        documents: vec![document(Some("a"), None)],
        ..ToolResult::default()
    };
    let given = asked(vec![Part::Result(result)], Role::Tool);
    let openai = llm::openai::encode(&given);
    assert_eq!(openai["messages"][0]["content"], "here");
    assert_eq!(openai["messages"][1]["role"], "user");
    assert_eq!(
        openai["messages"][1]["content"][0]["file"]["filename"],
        "a.pdf"
    );
    let anthropic = &llm::anthropic::encode(&given)["messages"][0]["content"][0]["content"];
    assert_eq!(anthropic[0]["text"], "here");
    assert_eq!(anthropic[1]["title"], "a");
    let converse = bedrock(&given).unwrap();
    let in_words = &converse["messages"][0]["content"];
    assert_eq!(in_words[0], json!({"text": "[t] here"}));
    assert_eq!(in_words[2]["document"]["name"], "a");
    let with_tools = ChatRequest {
        tools: vec![Tool {
            name: "find".to_owned(),
            description: None,
            parameters: json!({"type": "object"}),
            strict: None,
            cache_point: false,
        }],
        ..given
    };
    let converse = bedrock(&with_tools).unwrap();
    let given = &converse["messages"][0]["content"][0]["toolResult"]["content"];
    assert_eq!(given[2]["document"]["name"], "a");
}

#[test]
fn names_at_bedrock_are_plain_and_no_two_are_the_same() {
    let titles = [
        "Report_2026 (final).pdf",
        "report 2026 (FINAL)",
        "見積",
        "  [a]--b  ",
        "報告",
    ];
    let long = "x".repeat(400);
    let all = titles.into_iter().chain([long.as_str()]);
    let parts = all.map(|title| Part::Document(document(Some(title), None)));
    let written = bedrock(&asked(parts.collect(), Role::User)).unwrap();
    let blocks = written["messages"][0]["content"].as_array().unwrap();
    let names: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block["document"]["name"].as_str())
        .collect();
    assert_eq!(
        names[..5],
        [
            "Report 2026 (final)",
            "report 2026 (FINAL) (2)",
            "document",
            "[a]--b",
            "document (2)"
        ]
    );
    assert!(names[5].len() <= 200);
}

#[test]
fn a_page_is_thought_to_cost_3_000_tokens() {
    let of = |document: Document| {
        let request = asked(vec![Part::Document(document)], Role::User);
        count_request(&request, Vocabulary::Large)
    };
    let bare = of(document(None, None));
    assert!((6_000..6_020).contains(&bare), "{bare}");
    assert!(of(document(Some("a title"), Some("and a context"))) > bare);
    assert!(
        (300_000..300_020).contains(&of(at_url())),
        "nobody has seen it"
    );
    let result = ToolResult {
        documents: vec![document(None, None)],
        ..ToolResult::default()
    };
    let by_tool = asked(vec![Part::Result(result)], Role::Tool);
    assert!(count_request(&by_tool, Vocabulary::Large) >= 6_000);
}
