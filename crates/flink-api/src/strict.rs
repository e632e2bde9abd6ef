use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// A document in which a list is no struct: `serde_json` would take it for the struct's fields in their order, which
/// no API server does.
pub(crate) struct Strict(pub(crate) Value);

impl IntoDeserializer<'_, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Strict))),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, Strict(value)));
                visitor.visit_map(MapDeserializer::new(fields))
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                scalar.deserialize_any(visitor)
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.0.is_array() {
            return Err(Error::invalid_type(Unexpected::Seq, &"a map"));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{FlinkBlueGreenDeployment, FlinkDeployment, FlinkSessionJob};

    #[test]
    fn a_list_is_no_object() {
        let read = |object: serde_json::Value| serde_json::from_value::<FlinkDeployment>(object).unwrap();
        for spec in [
            json!(["v1_20"]),
            json!({"job": ["running", "savepoint", "s3://b/s"]}),
            json!({"podTemplate": []}),
            json!({"podTemplate": {"metadata": [{"k": "v"}]}}),
            json!({"jobManager": [{"memory": "1g"}]}),
        ] {
            assert!(read(json!({"spec": spec})).spec.as_result().is_err(), "{spec}");
        }
        for status in [
            json!(["STABLE"]),
            json!({"jobStatus": ["RUNNING"]}),
            json!({"jobStatus": {"savepointInfo": ["id"]}}),
            json!({"reconciliationStatus": ["DEPLOYED"]}),
        ] {
            assert!(read(json!({"status": status})).status.unwrap().as_result().is_err(), "{status}");
        }
        let absent = read(json!({"spec": {"job": null, "podTemplate": null}, "status": {"jobStatus": {}}}));
        assert!(absent.spec.as_result().is_ok() && absent.status.unwrap().as_result().is_ok());
    }

    /// Every list has as many items as the struct has fields: a shorter one is refused by any reader.
    #[test]
    fn a_list_is_no_object_in_a_session_job() {
        let read = |object: Value| serde_json::from_value::<FlinkSessionJob>(object).unwrap();
        for spec in [json!(["analytics", null, {}]), json!({"job": ["running", "savepoint", 1, null, null, null]})] {
            assert!(read(json!({"spec": spec})).spec.as_result().is_err(), "{spec}");
        }
        let status = json!(["STABLE", "READY", {}, {}, null, 1]);
        assert!(read(json!({"status": status})).status.unwrap().as_result().is_err());
        assert!(read(json!({"spec": {"deploymentName": "analytics", "job": {}}})).spec.as_result().is_ok());
    }

    #[test]
    fn a_list_is_no_object_in_a_blue_green_deployment() {
        let read =
            |object: Value| serde_json::from_value::<FlinkBlueGreenDeployment>(object).unwrap().into_deployment();
        for spec in [
            json!([{"spec": {"flinkVersion": "v1_20"}}]),
            json!({"template": [{"flinkVersion": "v1_20"}]}),
            json!({"template": {"spec": {"job": ["running", "savepoint", 1, null, null, null]}}}),
        ] {
            assert!(read(json!({"spec": spec})).spec.as_result().is_err(), "{spec}");
        }
        assert!(read(json!({"status": ["{}", null]})).status.unwrap().as_result().is_err());
        assert!(read(json!({"spec": {"template": {"spec": {"job": {}}}}})).spec.as_result().is_ok());
    }
}
