use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use kube_core::{ObjectMeta, Resource};

use crate::{FlinkBlueGreenDeployment, FlinkDeployment, FlinkSessionJob, GROUP, Kind, VERSION};

macro_rules! resources {
    ($($type:ident = $kind:expr;)+) => {$(
        impl Resource for $type {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                $kind.name().into()
            }

            fn group((): &()) -> Cow<'_, str> {
                GROUP.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                VERSION.into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $kind.plural().into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    )+};
}

resources! {
    FlinkDeployment = Kind::Deployment;
    FlinkSessionJob = Kind::SessionJob;
    FlinkBlueGreenDeployment = Kind::BlueGreenDeployment;
}
