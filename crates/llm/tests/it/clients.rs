//! What clients send beside what the vendors' own libraries would: coding agents, kits and chat pages.

use llm::anthropic::door as messages;
use llm::openai::door as chat;
use llm::{
    ChatAnswer, ChatRequest, Effort, Face, Finish, Format, Image, Message, Part, RefusalKind, Role,
    StreamEvent, ToolCall, ToolChoice, ToolDelta,
};
use serde_json::{Value, json};

const GRAMMAR: &str = "start: /.+/s";

fn response(body: &Value) -> chat::ResponseAsk {
    chat::read_response(body.to_string().as_bytes(), &chat::SaidBefore::new()).unwrap()
}

fn ask(body: &Value) -> ChatRequest {
    messages::read_messages(body.to_string().as_bytes()).unwrap()
}

/// A request as a coding agent sends it: function, free text, namespace, and what the vendor's own machines would do.
fn agents() -> Value {
    json!({
        "model": "m", "store": false, "tool_choice": "auto",
        "tools": [
            {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": false},
            {"type": "custom", "name": "apply_patch", "description": "Edits.",
             "format": {"type": "grammar", "syntax": "lark", "definition": GRAMMAR}},
            {"type": "namespace", "name": "mcp__files", "description": "d",
             "tools": [{"type": "function", "name": "read", "parameters": {"type": "object"}, "defer_loading": true}]},
            {"type": "web_search", "external_web_access": false},
            {"type": "image_generation"},
            {"type": "tool_search"},
        ],
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** \"Begin\""},
            {"type": "function_call", "call_id": "c2", "namespace": "mcp__files", "name": "read", "arguments": "{}"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
            {"type": "function_call_output", "call_id": "c2", "output": "text"},
        ],
    })
}

#[test]
fn a_coding_agents_tools_are_functions_to_the_model() {
    let ask = response(&agents());
    let tools: Vec<&str> = ask.request.tools.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(tools, ["shell", "apply_patch", "mcp__files__read"]);
    let patch = &ask.request.tools[1];
    assert!(patch.description.as_ref().unwrap().contains(GRAMMAR));
    assert_eq!(patch.parameters["required"], json!(["input"]));
    let Part::Call(call) = &ask.request.messages[1].parts[0] else {
        panic!("no call")
    };
    assert_eq!(
        serde_json::from_str::<Value>(&call.arguments).unwrap(),
        json!({"input": "*** \"Begin\""})
    );
    let Part::Call(call) = &ask.request.messages[1].parts[1] else {
        panic!("no call")
    };
    assert_eq!(call.name, "mcp__files__read");
    let roles: Vec<Role> = ask.request.messages.iter().map(|m| m.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Tool]);

    for (choice, want) in [
        (
            json!({"type": "custom", "name": "apply_patch"}),
            "apply_patch",
        ),
        (
            json!({"type": "function", "namespace": "mcp__files", "name": "read"}),
            "mcp__files__read",
        ),
    ] {
        let mut body = agents();
        body["tool_choice"] = choice;
        let choice = response(&body).request.tool_choice;
        assert_eq!(choice, Some(ToolChoice::Named(want.into())));
    }
    let mut forced = agents();
    forced["tool_choice"] = json!({"type": "web_search"});
    let refused = chat::read_response(forced.to_string().as_bytes(), &chat::SaidBefore::new());
    assert_eq!(
        refused.unwrap_err().pointer.as_deref(),
        Some("/tool_choice/type")
    );
}

#[test]
fn what_the_model_calls_goes_out_as_the_tool_that_the_agent_knows() {
    let calls = [
        ("apply_patch", r#"{"input":"*** \"Begin\""}"#),
        ("mcp__files__read", r#"{"path":"a"}"#),
        ("apply_patch", "no json"),
    ];
    let mut told = Vec::new();
    for (index, (name, arguments)) in (0..).zip(calls) {
        let (head, tail) = arguments.split_at(3);
        for (id, name, arguments) in [
            (Some(format!("c{index}")), Some(name.to_owned()), head),
            (None, None, tail),
        ] {
            let arguments = arguments.to_owned();
            told.push(StreamEvent::Tool(ToolDelta {
                index,
                id,
                name,
                arguments,
                ..ToolDelta::default()
            }));
        }
    }
    told.extend([StreamEvent::Finish(Finish::ToolCalls), StreamEvent::Done]);

    let face = Face {
        id: "resp_1".into(),
        model: "m".into(),
        created: 1,
    };
    let card = response(&agents()).card;
    let mut writer = chat::ResponseWriter::new(face, card);
    let mut answer = ChatAnswer::empty("m");
    let mut bodies: Vec<Value> = Vec::new();
    for event in &told {
        answer.take(event);
        for (_, text) in writer.event(event) {
            let data = text.lines().find_map(|line| line.strip_prefix("data: "));
            bodies.push(serde_json::from_str(data.unwrap()).unwrap());
        }
    }
    let of = |kind: &str| -> Vec<&Value> { bodies.iter().filter(|b| b["type"] == kind).collect() };
    let free = of("response.custom_tool_call_input.delta");
    assert_eq!(
        free.iter().map(|b| &b["delta"]).collect::<Vec<_>>(),
        [&json!("*** \"Begin\""), &json!("no json")]
    );
    assert_eq!(of("response.function_call_arguments.delta").len(), 2);
    let shown = &bodies.last().unwrap()["response"];
    let output = [
        json!({"id": "ctc_1_0", "type": "custom_tool_call", "status": "completed", "call_id": "c0",
               "name": "apply_patch", "input": "*** \"Begin\""}),
        json!({"id": "fc_1_1", "type": "function_call", "status": "completed", "call_id": "c1",
               "namespace": "mcp__files", "name": "read", "arguments": "{\"path\":\"a\"}"}),
        json!({"id": "ctc_1_2", "type": "custom_tool_call", "status": "completed", "call_id": "c2",
               "name": "apply_patch", "input": "no json"}),
    ];
    assert_eq!(shown["output"], json!(output));
    let kinds: Vec<&Value> = shown["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["type"])
        .collect();
    assert_eq!(
        kinds,
        ["function", "custom", "namespace"],
        "what the model was not told of is not shown"
    );
    let whole = writer.body(chat::ResponseState::Completed, Some(&answer), None);
    assert_eq!(
        whole["output"], shown["output"],
        "the same, whole or piece by piece"
    );
}

#[test]
fn an_item_of_an_earlier_response_stands_for_what_it_said() {
    let call = ToolCall {
        id: "c1".into(),
        name: "shell".into(),
        arguments: "{}".into(),
        ..ToolCall::default()
    };
    let said = ChatAnswer {
        text: "hm".into(),
        calls: vec![call.clone()],
        ..ChatAnswer::empty("m")
    };
    let items = ["msg_1_0", "fc_1_0", "fc_1_1", "rs_1_0", "msg_1", "msg"];
    let known: chat::SaidBefore = items
        .iter()
        .filter_map(|id| Some(((*id).to_owned(), chat::said_in(id, &said)?)))
        .collect();
    assert_eq!(known.len(), 2, "{known:?}");
    let body = |ids: &[&str]| {
        let mut input = vec![json!({"role": "user", "content": "a"})];
        input.extend(
            ids.iter()
                .map(|id| json!({"type": "item_reference", "id": id})),
        );
        input.push(json!({"type": "function_call_output", "call_id": "c1", "output": "b"}));
        json!({"model": "m", "input": input}).to_string()
    };
    let good = body(&["msg_1_0", "fc_1_0"]);
    assert_eq!(
        chat::read_references(good.as_bytes()).unwrap(),
        ["msg_1_0", "fc_1_0"]
    );
    let ask = chat::read_response(good.as_bytes(), &known).unwrap();
    assert_eq!(ask.request.messages.len(), 3);
    assert_eq!(
        ask.request.messages[1].parts,
        [Part::Text("hm".into()), Part::Call(call)]
    );
    let refused = chat::read_response(body(&["fc_1_1"]).as_bytes(), &known).unwrap_err();
    assert_eq!(refused.kind, RefusalKind::NotFound);
    assert_eq!(refused.pointer.as_deref(), Some("/input/1/id"));
}

#[test]
fn documents_and_references_of_tools_are_read_as_their_words() {
    let said = |block: Value| {
        let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]});
        messages::read_messages(body.to_string().as_bytes()).map(|ask| ask.messages[0].clone())
    };
    let text = json!({"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "words"}});
    assert_eq!(said(text.clone()).unwrap().text(), "t\nwords");
    let found = json!({"type": "search_result", "title": "t", "source": "https://a.test", "content": [{"type": "text", "text": "words"}]});
    assert_eq!(said(found).unwrap().text(), "t\nhttps://a.test\nwords");
    let result = json!({"type": "tool_result", "tool_use_id": "c", "content": [text, {"type": "tool_reference", "tool_name": "Bash"}]});
    let Part::Result(result) = &said(result).unwrap().parts[0] else {
        panic!("no result")
    };
    assert_eq!(result.text, "t\nwordsBash");
    let file = json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}});
    let refused = said(file).unwrap_err();
    assert_eq!(
        refused.pointer.as_deref(),
        Some("/messages/0/content/0/source/data")
    );
    assert!(refused.message.contains("PDF"));
}

#[test]
fn a_schema_is_found_where_it_stood_before() {
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    let body = json!({"model": "m", "max_tokens": 9, "output_format": format, "messages": [{"role": "user", "content": "a"}]});
    assert!(matches!(ask(&body).format, Format::Schema { .. }));
}

#[test]
fn what_chat_pages_send_in_their_own_way_is_read() {
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": "data:image/jpg;base64,aGk="}]},
        {"role": "assistant", "content": "a", "tool_calls": []},
        {"role": "assistant", "content": [], "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "b"},
    ]});
    let ask = chat::read_chat(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        ask.request.messages[0].parts,
        [Part::Image(Image::Base64 {
            media_type: "image/jpeg".into(),
            data: "aGk=".into()
        })]
    );
    assert_eq!(ask.request.messages[1].text(), "a");
    assert_eq!(ask.request.messages[2].parts.len(), 1);
    let tools: Vec<Value> = (0..300)
        .map(|at| json!({"type": "function", "function": {"name": format!("t{at}")}}))
        .collect();
    let many =
        json!({"model": "m", "messages": [{"role": "user", "content": "a"}], "tools": tools});
    assert_eq!(
        chat::read_chat(many.to_string().as_bytes())
            .unwrap()
            .request
            .tools
            .len(),
        300
    );
}

#[test]
fn models_are_listed_in_pages_for_those_who_speak_anthropics_protocol() {
    let cards: Vec<chat::ModelCard> = ["a", "b/2:x", "c"]
        .map(|id| chat::ModelCard {
            id: id.into(),
            created: 0,
            owned_by: "noren".into(),
        })
        .into();
    for (query, ids, has_more) in [
        ("", vec!["a", "b/2:x", "c"], false),
        ("limit=1000", vec!["a", "b/2:x", "c"], false),
        ("limit=2", vec!["a", "b/2:x"], true),
        ("limit=2&after_id=b%2F2%3Ax", vec!["c"], false),
        ("before_id=c&limit=1", vec!["b/2:x"], true),
        ("after_id=c", vec![], false),
    ] {
        let page = messages::write_models(&cards, query).unwrap();
        let shown: Vec<&Value> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| &m["id"])
            .collect();
        assert_eq!(shown, ids, "{query}");
        assert_eq!(page["has_more"], has_more, "{query}");
        assert_eq!(page["last_id"], json!(ids.last()), "{query}");
    }
    let model = messages::write_model(&cards[0]);
    assert_eq!(
        (&model["type"], &model["lifecycle"]),
        (&json!("model"), &json!("active"))
    );
    for wrong in [
        "limit=0",
        "limit=x",
        "limit=1001",
        "after_id=z",
        "before_id=",
    ] {
        assert!(messages::write_models(&cards, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_picture_that_was_sent_before_is_refused_in_words() {
    let picture = json!({"type": "input_image", "file_id": "file-1"});
    let body = json!({"model": "m", "input": [{"role": "user", "content": [picture]}]});
    let read = chat::read_response(body.to_string().as_bytes(), &chat::SaidBefore::new());
    let refusal = read.unwrap_err();
    assert_eq!(
        refusal.pointer.as_deref(),
        Some("/input/0/content/0/file_id")
    );
    assert!(refusal.message.contains("image_url"), "{refusal:?}");
}

#[test]
fn how_long_to_think_is_read_at_every_door_and_told_in_each_vendors_words() {
    let said = json!([{"role": "user", "content": "q"}]);
    let chat = |effort: Value| {
        let body = json!({"model": "m", "messages": said, "reasoning_effort": effort});
        chat::read_chat(body.to_string().as_bytes()).map(|ask| ask.request)
    };
    let message = |more: Value| {
        let mut body = json!({"model": "m", "max_tokens": 9, "messages": said});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ask(&body)
    };
    let asked = response(&json!({"model": "m", "input": "q", "reasoning": {"effort": "xhigh"}}));
    let xhigh = asked.request;
    assert_eq!(xhigh.effort, Some(Effort::XHigh));
    assert_eq!(chat(json!(null)).unwrap().effort, None);
    let none = chat(json!("none")).unwrap();
    assert_eq!(none.effort, Some(Effort::None));
    for (more, effort) in [
        (json!({"effort": "low"}), Some(Effort::Low)),
        (json!({"max_tokens": 2000, "exclude": true}), None),
    ] {
        let body = json!({"model": "m", "messages": said, "reasoning": more});
        let asked = chat::read_chat(body.to_string().as_bytes()).unwrap();
        assert_eq!(asked.request.effort, effort, "as OpenRouter has it");
    }
    let body = json!({"model": "m", "messages": said, "reasoning": {"effort": "much"}});
    let refusal = chat::read_chat(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(refusal.pointer.as_deref(), Some("/reasoning/effort"));
    let both = json!({"model": "m", "messages": said, "reasoning": {"effort": "low"}, "reasoning_effort": "high"});
    let asked = chat::read_chat(both.to_string().as_bytes()).unwrap();
    assert_eq!(asked.request.effort, Some(Effort::High));
    let refusal = chat(json!("much")).unwrap_err();
    assert_eq!(refusal.pointer.as_deref(), Some("/reasoning_effort"));
    assert!(
        refusal.message.contains("none, minimal, low"),
        "{refusal:?}"
    );
    assert_eq!(
        message(json!({"thinking": {"type": "adaptive"}})).effort,
        None
    );
    assert_eq!(
        message(json!({"thinking": {"type": "disabled"}})).effort,
        Some(Effort::None)
    );
    let low = message(json!({"output_config": {"effort": "low"}}));
    assert_eq!(low.effort, Some(Effort::Low));

    let openai = |request| llm::openai::encode(request)["reasoning_effort"].clone();
    let anthropic = |request| llm::anthropic::encode(request)["output_config"].clone();
    assert_eq!(openai(&xhigh), "xhigh");
    assert_eq!(openai(&none), "none");
    assert_eq!(anthropic(&xhigh), json!({"effort": "xhigh"}));
    assert_eq!(
        anthropic(&none),
        json!({"effort": "low"}),
        "not all of them can leave it off"
    );
    let bedrock = |request| {
        let body = llm::bedrock::encode(request, "run").unwrap();
        body["additionalModelRequestFields"].clone()
    };
    assert_eq!(
        bedrock(&xhigh),
        json!({"output_config": {"effort": "xhigh"}})
    );
    let plain = ChatRequest {
        messages: vec![Message::user("a")],
        ..ChatRequest::default()
    };
    assert_eq!(bedrock(&plain), Value::Null);
    assert_eq!(
        (openai(&plain), anthropic(&plain)),
        (Value::Null, Value::Null)
    );
}

#[test]
fn of_temperature_and_top_p_anthropic_is_told_one() {
    let told = |temperature, top_p| {
        let body = llm::anthropic::encode(&ChatRequest {
            temperature,
            top_p,
            ..ChatRequest::default()
        });
        (body["temperature"].clone(), body["top_p"].clone())
    };
    assert_eq!(told(Some(0.5), Some(0.9)), (json!(0.5), Value::Null));
    assert_eq!(told(None, Some(0.9)), (Value::Null, json!(0.9)));
}
