# SPDX-License-Identifier: Apache-2.0
"""KubeVirt's, CDI's and the snapshots' CustomResourceDefinitions, without what works on their objects. VirtualMachine and
DataVolume, which manifests are made of, have closed schemas, so that a field of a wrong name is refused where the API server is
asked to be strict: the fields of CDI's API v1beta1, and of KubeVirt's v1 down to a machine's template."""
import neighbours

OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
FLAG = {"type": "boolean"}


def closed(required=(), **fields):
    """An object with these fields and no others."""
    return {"type": "object", "properties": fields, **({"required": list(required)} if required else {})}


def one_of(*values):
    return {"type": "string", "enum": list(values)}


def listed(of):
    return {"type": "array", "items": of}


REFERENCE = closed(("kind", "name"), apiGroup=TEXT, kind=TEXT, name=TEXT, namespace=TEXT)
QUANTITY = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
QUANTITIES = {"type": "object", "additionalProperties": QUANTITY}
CLAIM = {"accessModes": TEXTS, "selector": OPEN, "resources": closed(requests=QUANTITIES, limits=QUANTITIES), "volumeName": TEXT,
         "storageClassName": TEXT, "volumeMode": TEXT, "dataSource": REFERENCE, "dataSourceRef": REFERENCE}
HTTP = closed(("url",), url=TEXT, secretRef=TEXT, certConfigMap=TEXT, extraHeaders=TEXTS, secretExtraHeaders=TEXTS)
SOURCES = dict({name: OPEN for name in ("s3", "gcs", "registry", "pvc", "upload", "blank", "imageio", "vddk", "snapshot")}, http=HTTP)
DATAVOLUME = closed(source=closed(**SOURCES), sourceRef=REFERENCE, pvc=closed(**CLAIM), storage=closed(**CLAIM), priorityClassName=TEXT,
                    contentType=one_of("kubevirt", "archive"), checkpoints=listed(OPEN), finalCheckpoint=FLAG, preallocation=FLAG)
TEMPLATE = closed(("spec",), apiVersion=TEXT, kind=TEXT, metadata=OPEN, spec=DATAVOLUME, status=OPEN)
MATCHER = closed(name=TEXT, kind=TEXT, revisionName=TEXT, inferFromVolume=TEXT, inferFromVolumeFailurePolicy=TEXT)
MACHINE = closed(("template",), running=FLAG, runStrategy=one_of("Always", "Halted", "Manual", "RerunOnFailure", "Once", "WaitAsReceiver"), instancetype=MATCHER,
                 preference=MATCHER, template=closed(metadata=OPEN, spec=OPEN), dataVolumeTemplates=listed(TEMPLATE), updateVolumesStrategy=TEXT)
SPECS = {"virtualmachines.kubevirt.io": MACHINE, "datavolumes.cdi.kubevirt.io": DATAVOLUME}
NAMES = neighbours.KUBEVIRT + neighbours.CDI + neighbours.SNAPSHOTS


def definition(name):
    crd = neighbours.definition(name)
    if name in SPECS:
        schema = closed(("spec",), apiVersion=TEXT, kind=TEXT, metadata={"type": "object"}, spec=SPECS[name], status=OPEN)
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    return crd


def install(node):
    """Returns when all of them are served."""
    for name in NAMES:
        status, answer = node.request("PATCH", f"{neighbours.PATH}/{name}?fieldManager=tests&force=true", definition(name), patch="apply")
        if status not in (200, 201):
            raise AssertionError(f"CRD {name}: {answer}")
    neighbours.install(node, *NAMES)
